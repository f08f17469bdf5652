import { type EventResponse, Outcome } from "@event-ingestion/api";
import type { EventClient, NewEvent } from "@event-ingestion/client";
import type { FileRecord } from "./records/file-record.ts";
import { type FileFormat, fileRecords, unitOf } from "./records/file-records.ts";
import { createRateLimit } from "./rate-limit.ts";
import { type Mapping, toEvent } from "./record-event.ts";
import type { Rejects } from "./rejects.ts";
import { withFields } from "./required-fields.ts";
import { checkSameRecord, digestOf, type ResumeState, writeResumeState } from "./resume-state.ts";

/** How records are sent. */
export interface SendOptions extends Pick<Mapping, "type" | "fields"> {
  batchSize: number;
  concurrency: number;
  eventsPerSecond: number | undefined;
  /** Path of the state; undefined: none is kept. */
  resume: string | undefined;
}

/** What sending needs, and what it keeps up to date. */
export interface Sending {
  client: EventClient;
  options: SendOptions;
  /** As far as there are answers. */
  state: ResumeState;
  rejects: Rejects;
  signal: AbortSignal;
}

/** The state is saved this often; what came since is sent again after a kill. */
const saveMs = 1000;

/** The records that are still to be sent. @throws Failure if the file is not the one that was begun, or not what it is taken for */
export async function* readRecords(
  chunks: AsyncIterable<Buffer>,
  { format, fields }: { format: FileFormat; fields: Mapping["fields"] },
  saved: ResumeState | undefined,
): AsyncGenerator<FileRecord, void> {
  const upTo = saved?.place ?? 0;
  const unit = unitOf(format);
  let found: FileRecord | undefined;
  for await (const record of withFields(fileRecords(chunks, format), fields)) {
    if (record.place > upTo && found === undefined) checkSameRecord(found, saved, unit);
    if (record.place > upTo) yield record;
    else found = record;
  }
  checkSameRecord(found, saved, unit);
}

/** Sends records in order; what is not accepted goes to `rejects`. @throws whatever ends it, with the state saved */
export async function sendRecords(records: AsyncIterable<FileRecord>, sending: Sending): Promise<void> {
  const { client, options, state, rejects, signal } = sending;
  const { batchSize, concurrency } = options;
  const waitForTurn = createRateLimit(options.eventsPerSecond, signal);
  const mapping = { name: state.name, type: options.type, fields: options.fields };
  let lastRead: FileRecord | undefined;

  async function* events(): AsyncGenerator<NewEvent & { record: FileRecord }, void> {
    for await (const record of records) {
      lastRead = record;
      const event = toEvent(record, mapping);
      if ("problem" in event) {
        rejects.add(record, event.problem);
        continue;
      }
      await waitForTurn();
      yield { ...event, record };
    }
  }

  let answered: FileRecord | undefined;
  let savedAt = performance.now();
  const save = () => {
    if (options.resume === undefined || answered === undefined) return;
    writeResumeState(options.resume, { ...state, digest: digestOf(answered) });
    savedAt = performance.now();
  };
  const advance = (record: FileRecord | undefined) => {
    if (record === undefined) return;
    answered = record;
    state.place = record.place;
  };
  try {
    for await (const { event, response } of client.ingestMany(events(), { batchSize, concurrency, signal })) {
      settle(event.record, response, sending);
      advance(event.record);
      if (performance.now() - savedAt > saveMs) save();
    }
    // Behind the last answer there are only records that were rejected here.
    advance(lastRead);
  } finally {
    save();
  }
}

function settle(record: FileRecord, response: EventResponse, { state, rejects }: Sending): void {
  if (!response.accepted) {
    rejects.add(record, response.message);
    return;
  }
  state.accepted++;
  if (response.outcome === Outcome.DUPLICATE) state.duplicates++;
}
