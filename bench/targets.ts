/** What a run has to show: a figure of one scenario, or its ratio to that of another one in the same run. */
export interface Target {
  title: string;
  /** The name of a scenario. */
  of: string;
  /** The name of the scenario that it is divided by; none: the figure itself is bounded. */
  over?: string;
  /** A figure of the table, or one that a scenario tells beside them. */
  figure: "rate" | "cpu" | "p50Ms" | "p99Ms" | { also: string };
  /** What it must reach, or stay within, and what it should. */
  bound: "at least" | "at most";
  must: number;
  aim?: number;
}

/** Every target of this project. */
export const targets: readonly Target[] = [
  rate("unary over gRPC, 100 in flight / grpc-js no-op", "ingest-grpc-100", "grpc-js", 0.8, 1.2),
  rate("unary over gRPC, 100 in flight / stock connect no-op", "ingest-grpc-100", "connect-grpc", 4, 6),
  rate("unary over HTTP/1.1 / stock connect no-op", "ingest-http1-100", "connect-http1", 3, 5),
  {
    title: "CPU of a no-op call to our network layer / node:http2 no-op",
    of: "listener-noop",
    over: "raw-http2",
    figure: "cpu",
    bound: "at most",
    must: 1.35,
    aim: 1.15,
  },
  rate("batches of 1,000 / the store by itself", "ingest-batch-1000", "store-append-1000", 0.45, 0.7),
  rate("status lookups / grpc-js no-op", "get-status", "grpc-js", 0.8, 1.3),
  rate("ingest to done / graphile-worker", "ingest-to-done", "graphile-worker-to-done", 2, 4),
  rate("ingest to done / pg-boss", "ingest-to-done", "pg-boss-to-done", 2, 4.5),
  rate("ingest to done / BullMQ, AOF always", "ingest-to-done", "bullmq-to-done", 4, 8),
  rate(
    "over Postgres: ingest to done / graphile-worker",
    "postgres-to-done",
    "graphile-worker-to-done",
    0.8,
    1.4,
  ),
  rate("over Postgres: ingest to done / pg-boss", "postgres-to-done", "pg-boss-to-done", 1, 1.65),
  rate("over Postgres: batches of 1,000 / bare inserts", "postgres-batch-1000", "postgres-insert-1000", 0.4),
  rate("over Postgres: ingest to done, two servers / one", "postgres-two-replicas", "postgres-to-done", 1),
  rate("single events, 250 callers / BullMQ, AOF always", "ingest-grpc-250", "bullmq-add", 0.8, 1.2),
  rate("single events, 250 callers / graphile-worker", "ingest-grpc-250", "graphile-worker-add", 8, 14),
  latency("sent to handler start, p50", "start-latency", "p50Ms", 5, 2),
  latency("sent to handler start, p99", "start-latency", "p99Ms", 20, 8),
  {
    title: "drain of a long queue: rate of its last tenth / of its first",
    of: "backlog-drain",
    figure: { also: "last / first tenth" },
    bound: "at least",
    must: 0.8,
    aim: 0.95,
  },
  atMost("peak memory with a long queue and full load", "backlog-memory", "peak MiB", 350, 200),
  atMost("SQLite: claims after 5 long queues have finished / before", "finished-jobs", "after / before", 1.2),
  atMost("Postgres: the same", "postgres-finished-jobs", "after / before", 1.2),
  atMost("overload: memory of its second half / of its first", "overload", "memory growth", 1.1),
  atMost("overload: p99 of accepted batches / of the calm", "overload", "p99 / calm p99", 5),
  atMost("overload by single calls: the same for memory", "overload-calls", "memory growth", 1.1),
  atMost("overload by single calls: the same for their p99", "overload-calls", "p99 / calm p99", 5),
];

function rate(title: string, of: string, over: string, must: number, aim?: number): Target {
  return { title, of, over, figure: "rate", bound: "at least", must, ...(aim !== undefined && { aim }) };
}

function latency(title: string, of: string, figure: "p50Ms" | "p99Ms", must: number, aim: number): Target {
  return { title, of, figure, bound: "at most", must, aim };
}

function atMost(title: string, of: string, also: string, must: number, aim?: number): Target {
  return { title, of, figure: { also }, bound: "at most", must, ...(aim !== undefined && { aim }) };
}
