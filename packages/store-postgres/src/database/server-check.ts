import { type Caps, type StoreError, unavailable } from "@event-ingestion/store";
import type { Query } from "./connection.ts";
import { incompatible } from "./errors.ts";

/** What a server says about itself. */
interface ServerFacts {
  version: number;
  settings: Record<string, string>;
  /** Standbys that a commit may wait for. 0 also if the user may not see them: that takes pg_monitor. */
  replicas: number;
}

/**
 * For every connection. Nothing but speed and hygiene depends on it, so a pooler that gives a session to others and keeps
 * the prepared statements of each apart does no harm. Left alone, the planner trusts its statistics, and of a queue that was empty a minute ago they say that reading
 * all of it costs nothing. Bitmaps would lock rows in the order of their places, which differs from job to job, and at
 * worst costs a deadlock and a repetition.
 */
const sessionSettings = {
  text: `SET client_min_messages = warning; SET default_transaction_isolation = 'read committed';
    SET jit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan;
    SET idle_in_transaction_session_timeout = '60s'`,
};

/** With a name, so that it fails on a session in which another connection has prepared it: see `isMixedUp`. */
const ask = {
  name: "server_facts",
  text: `SELECT current_setting('server_version_num')::int AS version,
    (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ('server_encoding', 'fsync', 'full_page_writes',
      'synchronous_commit', 'synchronous_standby_names', 'default_transaction_isolation', 'client_min_messages',
      'transaction_read_only')) AS settings,
    (SELECT count(*)::int FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS replicas`,
};

/** The required settings, and the danger of other values. */
const wanted: [name: string, values: string[], otherwise: string][] = [
  ["server_encoding", ["UTF8"], "some texts could not be stored"],
  ["fsync", ["on"], "events would be lost in a power cut"],
  ["full_page_writes", ["on"], "events would be lost in a power cut"],
  ["synchronous_commit", ["on", "remote_apply"], "events would be lost in a crash"],
  ["client_min_messages", ["warning", "notice"], "commits that were cancelled would not be noticed"],
  ["default_transaction_isolation", ["read committed"], "calls would not see each other"],
];

/**
 * Makes a new connection ready and proves what its server is.
 *
 * @throws StoreError incompatible: it cannot keep what it is given; unavailable: it is no primary
 */
export async function checkServer(query: Query, name: string): Promise<ServerFacts> {
  await query(sessionSettings);
  const [facts] = await query<ServerFacts>(ask);
  if (facts === undefined) throw incompatible(`${name} does not answer like Postgres`);
  const { version, settings } = facts;
  if (version < 150_000) {
    throw incompatible(`${name} has version ${Math.trunc(version / 10_000)}; 15 or newer is needed`);
  }
  for (const [setting, values, otherwise] of wanted) {
    const got = settings[setting] ?? "";
    if (values.includes(got)) continue;
    throw incompatible(`${name} has ${setting} = ${got}; it must be ${values.join(" or ")}, or ${otherwise}`);
  }
  if (settings["transaction_read_only"] !== "off") throw unavailable(`${name} is read-only`);
  return facts;
}

/** How far a commit reaches: "replica-fsync" only if commits wait for a standby, and a standby is connected. */
export function durabilityOf(facts: ServerFacts): Caps["durability"] {
  return waitsForStandby(facts) && facts.replicas > 0 ? "replica-fsync" : "fsync";
}

/** For a store that was opened while commits waited for a standby. */
export function noStandby(name: string): StoreError {
  return incompatible(`${name} does not wait for a standby any more: synchronous_standby_names is empty`);
}

/** Whether commits wait for a standby, even if none is connected. */
export function waitsForStandby({ settings }: ServerFacts): boolean {
  return settings["synchronous_standby_names"]?.trim() !== "";
}
