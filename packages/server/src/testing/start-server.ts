import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import type { JobStore } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { onTestFinished } from "vitest";
import type { ServerEvent } from "../observe.ts";
import type { ServerOptions } from "../options.ts";
import { createServer, type EventServer } from "../server.ts";

/** A server under test, closed with it. */
export interface RunningServer {
  client: Client<typeof EventService>;
  /** The real store, without what the test puts in between. */
  store: JobStore;
  events: ServerEvent[];
  server: EventServer;
  url: string;
}

let fastPath = true;

/** Says whether servers without an option for it have a fast path. */
export function setFastPath(on: boolean): void {
  fastPath = on;
}

/** A server on a free port over the real store; `between` replaces calls of the port. */
export async function startServer(
  between: (store: JobStore) => Partial<JobStore> = () => ({}),
  options: Partial<ServerOptions> = {},
): Promise<RunningServer> {
  const store = await openSqliteStore("sqlite::memory:");
  const events: ServerEvent[] = [];
  const server = createServer({
    store: decorate(store, between(store)),
    port: 0,
    graceMs: 500,
    fastPath,
    observe: (event) => void events.push(event),
    ...options,
  });
  const { url } = await server.listen();
  onTestFinished(async () => {
    await server.close();
    await store.close();
  });
  const client = createClient(EventService, createGrpcTransport({ baseUrl: url }));
  return { client, store, events, server, url };
}

/** The store with some of its calls replaced; everything else, getters too, is the real one's. */
function decorate(store: JobStore, calls: Partial<JobStore>): JobStore {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in calls ? calls : target, name);
      return typeof value === "function" ? value.bind(name in calls ? calls : target) : value;
    },
  });
}

/** What a call was refused with. */
export async function refusal(promise: Promise<unknown>): Promise<ConnectError> {
  return ConnectError.from(
    await promise.then(
      () => "no error was thrown",
      (error: unknown) => error,
    ),
  );
}

/** A gate that a test opens. */
export function gate(): { opened: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}
