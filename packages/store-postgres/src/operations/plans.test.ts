import { needs } from "@event-ingestion/needs";
import type { JobStore, Leased } from "@event-ingestion/store";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { acceptedAt, dayMs, dayOf } from "../tables/job-id.ts";
import { openPostgresStore, openPostgresStoreBy } from "../postgres-store.ts";
import { installClock, elapse, machineOn } from "../testing/databases.ts";
import { newEvents } from "../testing/events.ts";
import { execute, type PostgresServer, startPostgres } from "../testing/postgres-server.ts";
import { sharedPostgres } from "../testing/shared-server.ts";

/** A step of a plan, as it was run. */
interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Loops": number;
  "Index Cond"?: string;
  "TID Cond"?: string;
  "Shared Hit Blocks": number;
  "Rows Removed by Join Filter"?: number;
  Plans?: PlanNode[];
}

// The server tells how it ran each statement. What is deleted stays where it is until this test vacuums it.
const settings = {
  autovacuum: "off",
  shared_preload_libraries: "auto_explain",
  "auto_explain.log_min_duration": "0",
  "auto_explain.log_analyze": "on",
  "auto_explain.log_buffers": "on",
  "auto_explain.log_timing": "off",
  "auto_explain.log_format": "json",
};

for (const major of [18, 15]) {
  describe(`plans of Postgres ${major}`, needs(sharedPostgres(major)), () => {
    plansOn(major);
  });
}

function plansOn(major: number): void {
  let server: PostgresServer;
  let url: string;
  let store: JobStore;
  let marks = 0;
  let passedMs = 0;

  beforeAll(async () => {
    server = await startPostgres({ major, settings });
    url = await server.createDatabase();
    const first = await openPostgresStore(url);
    await first.close();
    await installClock(url);
    // Statistics of empty tables: to read them through would cost nothing.
    await execute(url, "VACUUM ANALYZE");
    store = await openPostgresStoreBy(
      machineOn(() => passedMs),
      url,
    );
  });
  afterAll(async () => {
    await store.close();
    await server[Symbol.asyncDispose]();
  });

  const mark = async (): Promise<string> => {
    const name = `mark_${++marks}`;
    await execute(url, `SELECT 1 AS ${name}`);
    return name;
  };
  /** The plans of what the store asks meanwhile, in that order. */
  const plansOf = async (work: () => Promise<unknown>): Promise<PlanNode[]> => {
    const begin = await mark();
    await work();
    const end = await mark();
    await vi.waitFor(() => expect(server.log()).toContain(end), 10_000);
    const [, told = ""] = new RegExp(`${begin}"([^]*)${end}"`).exec(server.log()) ?? [];
    return Array.from(
      told.matchAll(/ plan:\n(\t\{\n[^]*?\n\t\})/g),
      ([, text = ""]) => (JSON.parse(text) as { Plan: PlanNode }).Plan,
    );
  };

  test("a job is looked up by one statement, in the tables of its day", async () => {
    const [accepted] = await store.append(newEvents("looked-up", 1));
    const jobId = accepted?.jobId ?? "";
    const plans = await plansOf(() => store.get([jobId]));
    const day = dayOf(acceptedAt(jobId));
    expect(plans).toHaveLength(1);
    expect(plans.flatMap(lookups).toSorted()).toEqual([
      `attempt_error_${day}_pkey`,
      `job_${day}_pkey`,
      "lease_pkey",
      `outcome_${day}_pkey`,
      "queue_pkey",
    ]);
  });

  test("an append looks into no table, and known keys are looked up one by one", async () => {
    const [append, ...more] = await plansOf(() => store.append(newEvents("known", 100)));
    expect(more).toEqual([]);
    expect(append && lookups(append)).toEqual([]);
    const [lookup, ...others] = await plansOf(() => store.lookup(newEvents("known", 100)));
    expect(others).toEqual([]);
    expect(lookup && lookups(lookup)).toEqual(["event_key_pkey"]);
  });

  test("a claim and its settlement are a statement each, and look up what they take", async () => {
    await store.append(newEvents("claimed", 500));
    const session = await store.openSession("worker", 30_000);
    const claims: Leased[][] = [];
    const [claim, ...more] = await plansOf(async () => claims.push(await store.claim(session, 300)));
    const [leased = []] = claims;
    expect(leased).toHaveLength(300);
    expect(more).toEqual([]);
    const day = dayOf(acceptedAt(leased[0]?.jobId ?? ""));
    expect(claim && lookups(claim)).toEqual([
      "session_pkey",
      "lease_alone",
      "queue_alone",
      "queue_ready",
      "a place in queue",
      `job_${day}_pkey`,
    ]);
    const verdicts = leased.map(({ jobId, attempt }) => ({ jobId, attempt, as: "succeeded" }) as const);
    const [settlement, ...others] = await plansOf(() => store.settle(session, verdicts));
    expect(others).toEqual([]);
    expect(settlement && lookups(settlement)).toEqual(["lease_pkey"]);
    await store.closeSession(session);
  });

  test("a claim does not wade through what was claimed before", async () => {
    const session = await store.openSession("worker", dayMs);
    for (let batch = 0; batch < 6; batch++) {
      await store.append(newEvents(`past-${batch}`, 1000));
      await store.claim(session, 2000);
    }
    await elapse(url, 60_000);
    passedMs += 60_000;
    await store.append(newEvents("now", 20));
    // One claim a second begins at the beginning; it is among these at most as often as they take seconds.
    const blocks: number[] = [];
    for (let claim = 0; claim < 20; claim++) {
      const [plan] = await plansOf(async () => expect(await store.claim(session, 1)).toHaveLength(1));
      if (plan !== undefined) blocks.push(blocksOf(plan, "queue_ready"));
    }
    expect(Math.max(...blocks)).toBeGreaterThan(20);
    expect(Math.min(...blocks)).toBeLessThan(10);
  });
}

/** How much of an index and its table is read. */
function blocksOf(node: PlanNode, index: string): number {
  if (node["Index Name"] === index) return node["Shared Hit Blocks"];
  return (node.Plans ?? []).reduce((sum, below) => sum + blocksOf(below, index), 0);
}

/** By what tables are looked into, where they are; "all of" a table whose every row is read. */
function lookups(node: PlanNode): string[] {
  const { "Relation Name": table, "Index Name": index, "Node Type": type } = node;
  const below = (node.Plans ?? []).flatMap(lookups);
  if (node["Actual Loops"] === 0) return [];
  // Each row of one step was compared with each of another.
  if (node["Rows Removed by Join Filter"]) below.push("a loop in a loop");
  if (index !== undefined && node["Index Cond"] !== undefined) return [...below, index];
  if (node["TID Cond"] !== undefined) return [...below, `a place in ${table}`];
  const readsAll = table !== undefined && type.endsWith("Scan") && type !== "Bitmap Heap Scan";
  return readsAll ? [...below, `all of ${table}`] : below;
}
