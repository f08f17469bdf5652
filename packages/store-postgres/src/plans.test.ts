import { setTimeout as sleep } from "node:timers/promises";
import type { JobStore } from "@event-ingestion/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acceptedAt, dayOf } from "./job-id.ts";
import { openPostgresStore } from "./postgres-store.ts";
import { newEvents } from "./testing/events.ts";
import { findPostgres } from "./testing/installation.ts";
import { execute, type PostgresServer, startPostgres } from "./testing/postgres-server.ts";

interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  Plans?: PlanNode[];
}

const versions = [18, 15] as const;

describe.for(versions)("plans of Postgres %i", async (major) => {
  if ((await findPostgres(major)) === undefined) {
    test.skip(`Postgres ${major} is not installed`);
    return;
  }
  let server: PostgresServer;
  let url: string;
  let store: JobStore;

  beforeAll(async () => {
    // What is prepared is planned for any value, as it is after some calls.
    server = await startPostgres({
      major,
      settings: { log_statement: "all", plan_cache_mode: "force_generic_plan" },
    });
    url = await server.createDatabase();
    store = await openPostgresStore(url);
  });
  afterAll(async () => {
    await store.close();
    await server[Symbol.asyncDispose]();
  });

  /** The statements that the store sent meanwhile, but for those that only look after it. */
  const statementsOf = async (work: () => Promise<unknown>): Promise<string[]> => {
    await sleep(100);
    const before = server.log();
    await work();
    await sleep(100);
    const [, after = ""] = server.log().split(before.slice(-200));
    return after
      .split(/^(?=\S.* (?:LOG|DETAIL): )/m)
      .flatMap((line) => /LOG: {2}execute \w+: ([^]*)/.exec(line)?.[1]?.trim() ?? []);
  };

  /** The tables that a plan for any id looks into, without what it reads once to know where it is. */
  const scansOf = async (statement: string, values: readonly string[]): Promise<string[]> => {
    const types = values.map((value) => value.split("::").at(-1)).join(", ");
    const rows = await execute(
      url,
      `PREPARE looked_at(${types}) AS ${statement}; EXPLAIN (FORMAT JSON) EXECUTE looked_at(${values.join(", ")})`,
    );
    const plans = rows.flatMap((row) => row["QUERY PLAN"] as { Plan: PlanNode }[]);
    return plans.flatMap(({ Plan }) => scans(Plan)).toSorted();
  };

  test("a job is looked up by one statement, in the tables of one day", async () => {
    const [accepted] = await store.append(newEvents("looked-up", 1));
    const { jobId } = accepted ?? { jobId: "" };
    await store.get([jobId]);
    const statements = await statementsOf(() => store.get([jobId]));
    expect(statements).toHaveLength(1);

    const day = dayOf(acceptedAt(jobId));
    expect(await scansOf(statements[0] ?? "", [`'{${jobId}}'::uuid[]`])).toEqual([
      `Index Scan of attempt_error_${day}`,
      `Index Scan of job_${day}`,
      "Index Scan of lease",
      `Index Scan of outcome_${day}`,
      "Index Scan of queue",
    ]);
  });

  test("a claim and its settlement read no table through, whatever the statistics say", async () => {
    // Statistics of empty tables: reading them through would be cheapest.
    await execute(url, "VACUUM ANALYZE ingest.queue, ingest.lease, ingest.session");
    await store.append(newEvents("claimed", 500));
    const session = await store.openSession("worker", 30_000);
    await store.claim(session, 1);
    const claiming = await statementsOf(() => store.claim(session, 1));
    expect(claiming).toHaveLength(2);
    const [claim = "", events = ""] = claiming;
    expect(await scansOf(claim, [`'${session.id}'::uuid`, "100::int4", "1::int4"])).not.toContainEqual(
      expect.stringMatching(/^Seq Scan of (queue|job)/),
    );
    expect(await scansOf(events, ["'{}'::uuid[]"])).toEqual([
      expect.stringMatching(/^(Index|Bitmap Heap) Scan of job_\d{8}$/),
    ]);
  });
});

function scans({ "Node Type": type, "Relation Name": relation, Plans: plans = [] }: PlanNode): string[] {
  const below = plans.flatMap(scans);
  return relation === undefined || !type.includes("Scan") ? below : [`${type} of ${relation}`, ...below];
}
