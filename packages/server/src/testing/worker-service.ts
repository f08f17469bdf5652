import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { type Session, WorkerService } from "@event-ingestion/api/worker/v1";
import type { JobId, JobStore, NewEvent } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { onTestFinished } from "vitest";
import { type Claims, createClaims } from "../workers/claims.ts";
import { workerRoutes } from "../workers/worker-routes.ts";

/** The WorkerService under test, in memory over a real store. */
export interface WorkerServiceUnderTest {
  client: Client<typeof WorkerService>;
  claims: Claims;
  /** The real store, without what the test puts in between. */
  store: JobStore;
  add: (...events: Partial<NewEvent>[]) => Promise<JobId[]>;
  open: (ttlMs?: number) => Promise<Session>;
  /** Lets time pass in the store, and ends the sessions whose lease is over. */
  elapse: (ms: number) => Promise<void>;
}

const policy = { workerLostLimit: 3, keepMs: { SUCCEEDED: 1e9, DEAD: 1e9, CANCELLED: 1e9 } };

/** `between` replaces calls of the store's port. */
export async function startWorkerService(
  between: (store: JobStore) => Partial<JobStore> = () => ({}),
): Promise<WorkerServiceUnderTest> {
  const clockOffset = new SharedArrayBuffer(8);
  const store = await openSqliteStore("sqlite::memory:", { clockOffset });
  const over = new AbortController();
  const port = { ...store, ...between(store) };
  const claims = createClaims(port, over.signal);
  const client = createClient(WorkerService, createRouterTransport(workerRoutes({ store: port, claims })));
  onTestFinished(async () => {
    over.abort();
    claims.drain();
    await store.close();
  });
  let events = 0;
  const newEvent = (event: Partial<NewEvent>): NewEvent => {
    const eventId = `event ${++events}`;
    const payload = new Uint8Array();
    return { tenant: "", eventId, type: "", payload, timestamp: 0n, maxAttempts: 3, ...event };
  };
  return {
    client,
    claims,
    store,
    async add(...given) {
      return (await store.append(given.map(newEvent))).map(({ jobId }) => jobId);
    },
    async open(ttlMs = 600_000) {
      const { session } = await client.openSession({ worker: "test", ttl: seconds(ttlMs / 1000) });
      if (session === undefined) throw new Error("no session");
      return session;
    },
    async elapse(ms) {
      Atomics.add(new BigInt64Array(clockOffset), 0, BigInt(ms));
      await store.maintain(policy);
    },
  };
}

/** A google.protobuf.Duration. */
export function seconds(count: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.trunc(count)), nanos: Math.round((count % 1) * 1e9) };
}
