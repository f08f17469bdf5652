import { execFileSync } from "node:child_process";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { type EventService, Outcome } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { expect, test, vi } from "vitest";
import { connect, jobsByState, statusOf, untilReady } from "../support/event-service.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { canMount, smallVolume } from "../support/small-volume.ts";
import { tempDir } from "../support/temp-dir.ts";

type Service = Client<typeof EventService>;

const message = (number: number) => ({ eventId: `event-${number}`, payload: "x".repeat(4000) });

test.skipIf(!canMount)(
  "a full disk (needs mount): only new events are refused, and room heals it",
  async () => {
    using dir = tempDir();
    const volume = smallVolume(dir.path);
    const env = { STORE_URL: `sqlite:${dir.path}/events.db` };
    await using server = await startServer({ env, wrapper: volume.wrapper });
    const { service, jobs } = await withSomeJobs(server);
    {
      using full = new DisposableStack();
      full.use(volume.fill(server));
      const refusal = await ingestUntilRefused(service, jobs);
      expect(refusal.metadata.get("retry-after")).toMatch(/^\d+$/);
      await expectAliveNotReady(server);
      expect(await service.getStatus({ jobId: jobs[0] ?? "" })).toMatchObject({ status: "processing" });
      await expectAllThere(service, jobs);
      const oneIsNew = [message(0), message(jobs.length)];
      await expect(service.ingestBatch({ events: oneIsNew })).rejects.toThrow(ConnectError);
      await expectAliveNotReady(server);
    }
    await expectHealed(server, { service, jobs });
  },
);

// Not the same fault: SQLite takes it for a broken disk, so the store closes its files until they can be written.
test.skipIf(process.platform !== "linux")(
  "files that may not grow (Linux): all is refused, nothing is denied, and room heals it",
  async () => {
    using dir = tempDir();
    await using server = await startServer({ env: { STORE_URL: `sqlite:${dir.path}/events.db` } });
    const { service, jobs } = await withSomeJobs(server);
    const limitFiles = (bytes: number | "unlimited") =>
      execFileSync("prlimit", ["--pid", String(server.child.pid), `--fsize=${bytes}:`]);

    limitFiles(4096);
    expectAskedToRetry(await ingestUntilRefused(service, jobs));
    await expectAliveNotReady(server);
    const status = service.getStatus({ jobId: jobs[0] ?? "" });
    await expect(status).rejects.toMatchObject({ code: Code.Unavailable });

    limitFiles("unlimited");
    await expectHealed(server, { service, jobs });
  },
);

async function withSomeJobs(server: ServerProcess): Promise<{ service: Service; jobs: string[] }> {
  await untilReady(server.url);
  const service = connect(server.url);
  const jobs: string[] = [];
  for (let number = 0; number < 20; number++) jobs.push((await service.ingestEvent(message(number))).jobId);
  return { service, jobs };
}

/** Adds the jobs that are accepted until then. */
async function ingestUntilRefused(service: Service, jobs: string[]): Promise<ConnectError> {
  while (jobs.length < 20_000) {
    try {
      const { jobId } = await service.ingestEvent(message(jobs.length));
      jobs.push(jobId);
    } catch (error) {
      return ConnectError.from(error);
    }
  }
  throw new Error("the disk never got full");
}

function expectAskedToRetry(refusal: ConnectError): void {
  expect(refusal.code).toBe(Code.Unavailable);
  expect(refusal.findDetails(RetryInfoSchema)).toHaveLength(1);
  expect(refusal.metadata.get("retry-after")).toMatch(/^\d+$/);
}

async function expectAliveNotReady({ url }: ServerProcess): Promise<void> {
  await vi.waitFor(async () => expect(await statusOf(url, "/readyz")).toBe(503), 5000);
  expect(await statusOf(url, "/healthz")).toBe(200);
}

async function expectAllThere(service: Service, jobs: readonly string[]): Promise<void> {
  for (const [number, jobId] of jobs.entries()) {
    expect(await service.ingestEvent(message(number))).toMatchObject({ outcome: Outcome.DUPLICATE, jobId });
  }
}

/** Without a restart; the event that was refused is taken now. */
async function expectHealed(
  server: ServerProcess,
  { service, jobs }: { service: Service; jobs: readonly string[] },
): Promise<void> {
  await untilReady(server.url, 40_000);
  const { accepted, jobId } = await service.ingestEvent(message(jobs.length));
  expect(accepted).toBe(true);
  await expectAllThere(service, [...jobs, jobId]);
  expect(await jobsByState(server.url)).toMatchObject({ QUEUED: jobs.length + 1 });
}
