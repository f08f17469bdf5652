export { createEventClient, type EventClient, type Ingested } from "./client.ts";
export type { CallOptions, ClientEvent, EventClientOptions, WaitOptions } from "./options.ts";
export type { IngestedItem, IngestManyOptions } from "./ingest-many.ts";
export type { NewEvent } from "./new-event.ts";
