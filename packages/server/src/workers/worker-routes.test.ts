import { toBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, RetryInfoSchema } from "@event-ingestion/api/error-details";
import { ClaimResponseSchema, SettleResult } from "@event-ingestion/api/worker/v1";
import { type JobStore, StoreError } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { refusal } from "../testing/start-server.ts";
import { seconds, startWorkerService } from "../testing/worker-service.ts";

const field = (error: ConnectError) => error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.field;

test("a claimed job carries the event as it was sent", async () => {
  const { client, store, add, open } = await startWorkerService();
  const [jobId = ""] = await add({
    tenant: "acme",
    eventId: "e",
    type: "t",
    payload: Buffer.from("\uFEFFgrün\0"),
    timestamp: -(2n ** 63n),
    maxAttempts: 7,
    trace: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
  });
  const { jobs } = await client.claim({ session: await open(), maxJobs: 10 });
  expect(jobs).toMatchObject([
    {
      jobId,
      attempt: 1,
      maxAttempts: 7,
      tenant: "acme",
      traceparent: "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01",
      event: { eventId: "e", type: "t", payload: "\uFEFFgrün\0", timestamp: -(2n ** 63n) },
    },
  ]);
  const [job] = await store.get([jobId]);
  const { acceptedAt } = jobs[0] ?? {};
  expect(acceptedAt && timestampMs(acceptedAt)).toBe(job?.acceptedAt);
});

test("every verdict does what it says", async () => {
  const { client, store, add, open } = await startWorkerService();
  const ids = await add({}, {}, {}, {}, {}, {});
  const session = await open();
  await client.claim({ session, maxJobs: 10 });
  const outcomes = [
    { case: "succeeded", value: { result: "grün" } },
    { case: "succeeded", value: {} },
    { case: "retry", value: { error: "busy", delay: seconds(30.25) } },
    { case: "dead", value: { error: "no good" } },
    { case: "cancelled", value: {} },
    { case: "released", value: {} },
  ] as const;
  const before = Date.now();
  const { results } = await client.settle({
    session,
    verdicts: outcomes.map((outcome, index) => ({ jobId: ids[index] ?? "", attempt: 1, outcome })),
  });
  expect(results).toEqual(outcomes.map(() => SettleResult.OK));
  const jobs = await store.get(ids);
  expect(jobs).toMatchObject([
    { state: "SUCCEEDED", result: new Uint8Array(Buffer.from("grün")) },
    { state: "SUCCEEDED" },
    { state: "QUEUED", lastError: "busy", attempts: 1, maxAttempts: 3 },
    { state: "DEAD", lastError: "no good" },
    { state: "CANCELLED" },
    { state: "QUEUED", attempts: 1, maxAttempts: 4 },
  ]);
  expect(jobs[1]?.result).toBeUndefined();
  const waitMs = (jobs[2]?.nextAttemptAt ?? 0) - before;
  expect(waitMs).toBeGreaterThanOrEqual(30_250);
  expect(waitMs).toBeLessThan(50_000);
});

test("of two workers, one silent past its lease, exactly one completion counts", async () => {
  const { client, store, add, open, elapse } = await startWorkerService();
  const [jobId = ""] = await add({});
  const [silent, other] = [await open(5000), await open()];
  const settle = (session: typeof silent, attempt: number, result: string) =>
    client.settle({
      session,
      verdicts: [{ jobId, attempt, outcome: { case: "succeeded", value: { result } } }],
    });
  expect((await client.claim({ session: silent, maxJobs: 1 })).jobs).toMatchObject([{ jobId, attempt: 1 }]);
  await elapse(5001);

  expect((await client.claim({ session: other, maxJobs: 1 })).jobs).toMatchObject([{ jobId, attempt: 2 }]);
  expect((await settle(silent, 1, "too late")).results).toEqual([SettleResult.LOST]);
  expect((await settle(silent, 2, "not mine")).results).toEqual([SettleResult.LOST]);
  expect((await settle(other, 2, "in time")).results).toEqual([SettleResult.OK]);
  expect((await settle(other, 2, "twice")).results).toEqual([SettleResult.LOST]);
  expect((await client.heartbeat({ session: silent })).lost).toBe(true);
  expect((await client.heartbeat({ session: other })).lost).toBe(false);
  const [job] = await store.get([jobId]);
  expect([job?.state, String(Buffer.from(job?.result ?? []))]).toEqual(["SUCCEEDED", "in time"]);
});

test("a heartbeat extends the lease by its ttl and tells what is to be cancelled", async () => {
  const { client, store, add, open, elapse } = await startWorkerService();
  const [jobId = ""] = await add({});
  const session = await open(5000);
  await client.claim({ session, maxJobs: 1 });
  await elapse(4000);
  expect(await client.heartbeat({ session })).toMatchObject({ lost: false, cancelRequested: [] });
  await store.cancel([jobId]);
  await elapse(4000);
  expect(await client.heartbeat({ session })).toMatchObject({ lost: false, cancelRequested: [jobId] });
  await elapse(5001);
  expect((await client.heartbeat({ session })).lost).toBe(true);
});

test("closing a session hands its jobs back, free of charge, and may be repeated", async () => {
  const { client, store, add, open } = await startWorkerService();
  const [jobId = ""] = await add({});
  const session = await open();
  await client.claim({ session, maxJobs: 1 });
  await client.closeSession({ session });
  await client.closeSession({ session });
  expect((await store.get([jobId]))[0]).toMatchObject({ state: "QUEUED", attempts: 1, maxAttempts: 4 });
  expect((await client.claim({ session, maxJobs: 1 })).jobs).toEqual([]);
});

test("a session is opened for a worker that outlives this process, under its name", async () => {
  const opened: unknown[] = [];
  const { store, open } = await startWorkerService((real) => ({
    openSession(...args) {
      opened.push(args);
      return real.openSession(...args);
    },
  }));
  await open(5000);
  expect(opened).toEqual([["test", 5000, "remote"]]);
  expect((await store.counts()).workers).toMatchObject([{ worker: "test", held: 0 }]);
});

test("an answer stays below 4 MiB, and the next one goes on where it ended", async () => {
  const { client, add, open } = await startWorkerService();
  const long = "x".repeat(128);
  const payload = Buffer.alloc(1024 * 1024, "a");
  const large = await add(...Array.from({ length: 5 }, () => ({ payload })));
  const small = await add(
    ...Array.from({ length: 1000 }, (_, index) => ({
      tenant: long,
      type: long,
      eventId: `${index}`.padEnd(128, "x"),
      payload: Buffer.alloc(2100, "a"),
    })),
  );
  const session = await open();
  const claimed: string[] = [];
  for (let calls = 0; claimed.length < 1005 && calls < 20; calls++) {
    const page = await client.claim({ session, maxJobs: 1000 });
    expect(toBinary(ClaimResponseSchema, page).byteLength).toBeLessThan(4 * 1024 * 1024);
    claimed.push(...page.jobs.map(({ jobId }) => jobId));
  }
  expect(claimed).toEqual([...large, ...small]);
});

const session = { id: "any", ttl: seconds(30) };
const verdict = { jobId: "any", attempt: 1 };

test.each([
  ["worker", { worker: "" }, "worker must be 1 to 128 bytes, got 0"],
  ["worker", { worker: "ä".repeat(65) }, "worker must be 1 to 128 bytes, got 130"],
  ["worker", { worker: "a\0b" }, "worker must be well-formed Unicode without U+0000"],
  ["ttl", {}, "ttl must be 5000 to 600000 ms, got none"],
  ["ttl", { ttl: seconds(4.999) }, "ttl must be 5000 to 600000 ms, got 4999 ms"],
  ["ttl", { ttl: seconds(601) }, "ttl must be 5000 to 600000 ms, got 601000 ms"],
])("OpenSession refuses a bad %s, case %$", async (name, request, message) => {
  const { client } = await startWorkerService();
  const error = await refusal(client.openSession({ worker: "w", ...request }));
  expect([error.code, error.rawMessage, field(error)]).toEqual([Code.InvalidArgument, message, name]);
});

test.each([
  ["max_jobs", { maxJobs: 0 }, "max_jobs must be 1 to 1000, got 0"],
  ["max_jobs", { maxJobs: 1001 }, "max_jobs must be 1 to 1000, got 1001"],
  ["wait", { wait: seconds(-1) }, "wait must be 0 to 31536000000 ms, got -1000 ms"],
  ["session", { session: undefined }, "session must be given"],
  ["session.ttl", { session: { id: "any" } }, "session.ttl must be 5000 to 600000 ms, got none"],
])("Claim refuses a bad %s, case %$", async (name, request, message) => {
  const { client } = await startWorkerService();
  const error = await refusal(client.claim({ session, maxJobs: 1, ...request }));
  expect([error.code, error.rawMessage, field(error)]).toEqual([Code.InvalidArgument, message, name]);
});

test.each([
  ["verdicts", [], "must be 1 to 1000, got 0"],
  ["verdicts", Array.from({ length: 1001 }, () => verdict), "must be 1 to 1000, got 1001"],
  ["verdicts[0]", [verdict], "must have an outcome"],
  [
    "verdicts[0].succeeded.result",
    [{ ...verdict, outcome: { case: "succeeded", value: { result: "ä".repeat(32_769) } } as const }],
    "must be at most 65536 bytes, got 65538",
  ],
  [
    "verdicts[0].retry.delay",
    [{ ...verdict, outcome: { case: "retry", value: { error: "e" } } as const }],
    "must be 0 to 31536000000 ms, got none",
  ],
])("Settle refuses bad %s, case %$", async (name, verdicts, problem) => {
  const { client } = await startWorkerService();
  const error = await refusal(client.settle({ session, verdicts }));
  expect([error.code, error.rawMessage, field(error)]).toEqual([
    Code.InvalidArgument,
    `${name} ${problem}`,
    name,
  ]);
});

test("if one verdict breaks a limit, none is taken", async () => {
  const { client, store, add, open } = await startWorkerService();
  const [jobId = ""] = await add({});
  const held = await open();
  await client.claim({ session: held, maxJobs: 1 });
  const good = { jobId, attempt: 1, outcome: { case: "succeeded", value: {} } } as const;
  expect((await refusal(client.settle({ session: held, verdicts: [good, verdict] }))).code).toBe(
    Code.InvalidArgument,
  );
  expect((await store.get([jobId]))[0]).toMatchObject({ state: "RUNNING" });
  expect((await client.settle({ session: held, verdicts: [good] })).results).toEqual([SettleResult.OK]);
});

test("a session that nobody opened holds nothing", async () => {
  const { client, add } = await startWorkerService();
  await add({});
  expect((await client.claim({ session, maxJobs: 1 })).jobs).toEqual([]);
  expect((await client.heartbeat({ session })).lost).toBe(true);
  const verdicts = [{ ...verdict, outcome: { case: "released", value: {} } as const }];
  expect((await client.settle({ session, verdicts })).results).toEqual([SettleResult.LOST]);
  await client.closeSession({ session });
});

test.each([
  ["openSession", (client) => client.openSession({ worker: "w", ttl: seconds(30) })],
  ["claim", (client) => client.claim({ session, maxJobs: 1 })],
  ["heartbeat", (client) => client.heartbeat({ session })],
  [
    "settle",
    (client) => client.settle({ session, verdicts: [{ ...verdict, outcome: { case: "dead", value: {} } }] }),
  ],
  ["closeSession", (client) => client.closeSession({ session })],
] satisfies [
  keyof JobStore,
  (client: Awaited<ReturnType<typeof startWorkerService>>["client"]) => Promise<unknown>,
][])("a store that is not available: %s is UNAVAILABLE with a delay", async (name, call) => {
  const { client } = await startWorkerService(() => ({
    [name]: () => Promise.reject(new StoreError("notApplied", "unavailable", "a secret path")),
  }));
  const error = await refusal(call(client));
  expect(error.code).toBe(Code.Unavailable);
  expect(error.rawMessage).toBe("the store is not available; call again");
  expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
});
