import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { type EventService, Outcome } from "@event-ingestion/api";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import { needs } from "@event-ingestion/needs";
import { expect, test, vi } from "vitest";
import { connect, jobsByState, statusOf, untilReady } from "../support/event-service.ts";
import { type ServerProcess, startServer } from "../support/server-process.ts";
import { smallVolume } from "../support/small-volume.ts";
import { injecting } from "../support/strace.ts";
import { tempDir } from "../support/temp-dir.ts";

type Service = Client<typeof EventService>;

/** A service, and the jobs that it has accepted. */
interface Stored {
  service: Service;
  jobs: string[];
}

const message = (number: number) => ({ eventId: `event-${number}`, payload: "x".repeat(4000) });

test("a full disk: only new events are refused, and room heals it", needs("mount"), async () => {
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
    await expectOnlyNewRefused(server, { service, jobs });
  }
  await expectHealed(server, { service, jobs });
});

// SQLite tells neither from a broken disk: it reports all but ENOSPC as an I/O error.
test(
  "files that may not grow: only new events are refused, also after a restart, and room heals it",
  needs("linux", "prlimit"),
  async () => {
    using dir = tempDir();
    const env = { STORE_URL: `sqlite:${dir.path}/events.db` };
    const limited: Stored = await (async () => {
      await using server = await startServer({ env });
      const { service, jobs } = await withSomeJobs(server);
      limitFiles(server, 100_000);
      expectAskedToRetry(await ingestUntilRefused(service, jobs));
      await expectOnlyNewRefused(server, { service, jobs });
      await server.stop("SIGKILL");
      return { service, jobs };
    })();
    const wrapper = ["prlimit", "--fsize=100000:unlimited"];
    await using server = await startServer({ env, wrapper });
    const again = { service: connect(server.url), jobs: limited.jobs };
    await expectOnlyNewRefused(server, again);
    expect(existsSync(`${dir.path}/events.db-reserve`)).toBe(false);
    limitFiles(server, "unlimited");
    await expectHealed(server, again);
  },
);

test("a quota that is used up: only new events are refused, and room heals it", needs("strace"), async () => {
  using dir = tempDir();
  const file = `${dir.path}/events.db`;
  const paths = [file, `${file}-wal`, `${file}-probe`];
  // So that strace can be ended while the server runs, and with it the shortage.
  const [command = "", ...rest] = injecting("pwrite64:error=EDQUOT:when=500+", paths);
  const wrapper = [command, "-I", "2", ...rest.filter((word) => word !== "--seccomp-bpf")];
  await using server = await startServer({ env: { STORE_URL: `sqlite:${file}` }, wrapper });
  const { service, jobs } = await withSomeJobs(server);
  expectAskedToRetry(await ingestUntilRefused(service, jobs));
  await expectOnlyNewRefused(server, { service, jobs });
  expect(existsSync(`${file}-reserve`)).toBe(false);
  process.kill(tracerOf(server), "SIGTERM");
  await expectHealed(server, { service, jobs });
});

function tracerOf({ child }: ServerProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/^TracerPid:\s+(\d+)$/m.exec(status)?.[1]);
}

function limitFiles({ child }: ServerProcess, bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(child.pid), `--fsize=${bytes}:`]);
}

async function expectOnlyNewRefused(server: ServerProcess, { service, jobs }: Stored): Promise<void> {
  await expectAliveNotReady(server);
  expect(await service.getStatus({ jobId: jobs[0] ?? "" })).toMatchObject({ status: "processing" });
  await expectAllThere(service, jobs);
  const oneIsNew = [message(0), message(jobs.length)];
  await expect(service.ingestBatch({ events: oneIsNew })).rejects.toThrow(ConnectError);
  await expectAliveNotReady(server);
}

async function withSomeJobs(server: ServerProcess): Promise<Stored> {
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
async function expectHealed(server: ServerProcess, { service, jobs }: Stored): Promise<void> {
  await untilReady(server.url, 40_000);
  const { accepted, jobId } = await service.ingestEvent(message(jobs.length));
  expect(accepted).toBe(true);
  await expectAllThere(service, [...jobs, jobId]);
  expect(await jobsByState(server.url)).toMatchObject({ QUEUED: jobs.length + 1 });
}
