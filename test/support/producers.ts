import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { EventRequestSchema, type EventResponse, EventResponseSchema, Outcome } from "@event-ingestion/api";
import { createEventClient } from "@event-ingestion/client";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { connect } from "./event-service.ts";

/** Clients that send one event after the other, as fast as they are answered, until they are stopped. */
export interface Producers {
  /** Job id of every event that was accepted, by event id. */
  jobs: ReadonlyMap<string, string>;
  /** What made a client send an event again, one line for each time. */
  retries: string[];
  /** Resolves when that many more events have been accepted. */
  accepted: (count: number) => Promise<void>;
  /** Lets every client finish its event. @throws what made a client give up, also before this was called. */
  stop: () => Promise<void>;
}

/** Four of them: our own client over three protocols, and grpc-js without any retry of its own. */
export function startProducers(baseUrl: string): Producers {
  const jobs = new Map<string, string>();
  const retries: string[] = [];
  const stopping = new AbortController();
  let waiter: { at: number; resolve: () => void } | undefined;

  const produce = async (name: string, send: Send) => {
    for (let n = 0; !stopping.signal.aborted; n++) {
      const eventId = `${name} ${n}`;
      const { accepted, jobId, message } = await send(eventId);
      if (!accepted) throw new Error(`${eventId} was not accepted: ${message}`);
      jobs.set(eventId, jobId);
      if (waiter !== undefined && jobs.size >= waiter.at) waiter.resolve();
    }
  };
  const ours = Object.entries({
    grpc: createGrpcTransport({ baseUrl }),
    "grpc-web": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
    connect: createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  }).map(([name, transport]) => {
    const observe = ({ error }: { error: Error }) => void retries.push(`${name}: ${error.message}`);
    const client = createEventClient({ transport, observe });
    return produce(name, async (eventId) => (await client.ingest({ eventId, payload })).response);
  });
  const foreign = createForeignClient(new URL(baseUrl).host, (code) => retries.push(`grpc-js: ${code}`));
  const producing = Promise.all([...ours, produce("grpc-js", foreign.send)]);
  const failed = producing.then(() => undefined);
  failed.catch(() => undefined);

  return {
    jobs,
    retries,
    accepted: (count) =>
      Promise.race([failed, new Promise<void>((resolve) => (waiter = { at: jobs.size + count, resolve }))]),
    async stop() {
      stopping.abort();
      await failed.finally(() => foreign.close());
    },
  };
}

/** What job each of their events has, as a server says when it is sent again; "new": it was not known. */
export async function askAgain(baseUrl: string, eventIds: readonly string[]): Promise<string[]> {
  const service = connect(baseUrl);
  const jobIds: string[] = [];
  for (let at = 0; at < eventIds.length; at += 1000) {
    const events = eventIds.slice(at, at + 1000).map((eventId) => ({ eventId, payload }));
    const { results } = await service.ingestBatch({ events });
    for (const { jobId, outcome } of results) jobIds.push(outcome === Outcome.DUPLICATE ? jobId : "new");
  }
  return jobIds;
}

type Send = (eventId: string) => Promise<EventResponse>;
const payload = "x".repeat(200);

/** Repeats what was answered UNAVAILABLE, or broke off in the middle of its answer; anything else ends it. */
function createForeignClient(
  address: string,
  repeated: (code: string) => void,
): { send: Send; close: () => void } {
  const client = new Client(address, credentials.createInsecure(), { "grpc.enable_retries": 0 });
  const call = (eventId: string) =>
    new Promise<EventResponse>((resolve, reject) => {
      client.makeUnaryRequest(
        "/event.EventService/IngestEvent",
        (event) => Buffer.from(toBinary(EventRequestSchema, event)),
        (bytes) => fromBinary(EventResponseSchema, bytes),
        create(EventRequestSchema, { eventId, payload }),
        { deadline: Date.now() + 20_000 },
        (error, answer) => (error ? reject(error) : answer && resolve(answer)),
      );
    });
  const send: Send = async (eventId) => {
    for (;;) {
      try {
        return await call(eventId);
      } catch (error) {
        const { code, details } = error as ServiceError;
        const isCut = code === status.INTERNAL && details.includes("ended without gRPC status");
        if (code !== status.UNAVAILABLE && !isCut) throw error;
        repeated(isCut ? "cut" : status[code]);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  return { send, close: () => client.close() };
}
