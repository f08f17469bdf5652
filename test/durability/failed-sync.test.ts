import { Code, ConnectError } from "@connectrpc/connect";
import { Outcome } from "@event-ingestion/api";
import { needs } from "@event-ingestion/needs";
import { describe, expect, test, vi } from "vitest";
import { connect, jobsByState, untilReady } from "../support/event-service.ts";
import { startServer } from "../support/server-process.ts";
import { injecting } from "../support/strace.ts";
import { tempDir } from "../support/temp-dir.ts";

describe("a disk that fails one fsync", needs("strace"), () => {
  test("the outcome is said to be unknown, the store opens anew, and a retry gives exactly one job", async () => {
    using dir = tempDir();
    const wrapper = injecting("fsync:error=EIO:when=10", [`${dir.path}/events.db-wal`]);
    await using server = await startServer({ env: { STORE_URL: `sqlite:${dir.path}/events.db` }, wrapper });
    await untilReady(server.url);
    const service = connect(server.url);

    const jobs = new Map<string, string>();
    let refusal: ConnectError | undefined;
    while (refusal === undefined) {
      const eventId = `event-${jobs.size}`;
      try {
        const { jobId } = await service.ingestEvent({ eventId, payload: "x" });
        jobs.set(eventId, jobId);
      } catch (error) {
        refusal = ConnectError.from(error);
      }
      expect(jobs.size).toBeLessThan(10);
    }
    expect(refusal.code).toBe(Code.Unavailable);
    expect(refusal.rawMessage).toContain("unknown whether anything was stored");
    await vi.waitFor(() => expect(messages(server.log)).toContain("not ready"), 5000);

    await untilReady(server.url);
    await vi.waitFor(() => expect(messages(server.log).at(-1)).toBe("ready"), 5000);
    const retried = { eventId: `event-${jobs.size}`, payload: "x" };
    const { jobId, accepted } = await service.ingestEvent(retried);
    expect(accepted).toBe(true);
    jobs.set(retried.eventId, jobId);
    for (const [eventId, first] of jobs) {
      const again = await service.ingestEvent({ eventId, payload: "x" });
      expect(again).toMatchObject({ outcome: Outcome.DUPLICATE, jobId: first });
    }
    expect(await jobsByState(server.url)).toMatchObject({ QUEUED: jobs.size });
  });
});

function messages(log: readonly Record<string, unknown>[]): unknown[] {
  return log.map(({ msg }) => msg);
}
