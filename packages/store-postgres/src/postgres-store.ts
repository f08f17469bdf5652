import { createHints, invalid, type JobStore, StoreError } from "@event-ingestion/store";
import { createAppend } from "./append.ts";
import type { Area } from "./area.ts";
import { makeSafe } from "./barrier.ts";
import { createClaims } from "./claim.ts";
import type { Connection } from "./connection.ts";
import { createCounts } from "./counts.ts";
import { createDays } from "./days.ts";
import { isCrowded } from "./errors.ts";
import { createExport } from "./export.ts";
import { createGate, type Gate } from "./gate.ts";
import { parseHosts } from "./hosts.ts";
import { createImport } from "./import.ts";
import { createInterventions } from "./interventions.ts";
import { limits } from "./limits.ts";
import { createList } from "./list.ts";
import { createMaintain } from "./maintain.ts";
import { createPool } from "./pool.ts";
import { createPrimary, type Primary } from "./primary.ts";
import { createRead } from "./read.ts";
import { migrate } from "./schema.ts";
import { createSessions } from "./sessions.ts";
import { createSettle } from "./settle.ts";

/** How long opening waits for the tables, while another replica may be making them. */
const migrationMs = 60_000;

/** How a store is opened. */
export interface PostgresOptions {
  /** Connections for appends: so many commits of this process are under way at once. 1 to 100, default 4. */
  writers?: number;
  /** Connections for everything else. 1 to 100, default 6. */
  connections?: number;
  /** How long a call waits for the database before its connection is cut. 100 to 600,000 ms, default 10,000. */
  deadlineMs?: number;
}

/**
 * Opens the store in a Postgres database, and makes or updates its tables. Several hosts in the URL are tried in their order
 * until one is the primary, now and whenever a connection is made.
 *
 * @throws StoreError invalid (the URL, an option, the password, missing rights), incompatible (the server is too old or would
 * lose events, or the tables are not this version's), or unavailable
 */
export async function openPostgresStore(url: string, options: PostgresOptions = {}): Promise<JobStore> {
  const { writers, connections, deadlineMs } = checked(options);
  const primary = createPrimary(parseHosts(url), Math.min(deadlineMs, 5000));
  const durability = await prepare(primary);

  const gate = createGate(() => probe(primary));
  const connect = () => connectOrClose(primary, gate);
  const others = createPool({ lane: "other", size: connections, deadlineMs, connect, gate });
  const area: Area = {
    caps: { durability, exclusive: false, writers, ...limits },
    writers: createPool({ lane: "append", size: writers, deadlineMs, connect, gate }),
    others,
    gate,
    days: createDays(others),
    hints: createHints(),
  };
  const close = async () => {
    await Promise.all([area.writers.close(), others.close()]);
    gate.end();
    area.hints.close();
  };
  try {
    await area.days.ensure();
  } catch (error) {
    await close();
    throw error;
  }
  const claims = createClaims(area);
  return {
    caps: area.caps,
    get health() {
      return gate.health;
    },
    ...createAppend(area),
    ...createRead(area),
    ...createList(area),
    ...createCounts(area),
    ...createSessions(area),
    claim: claims.claim,
    ...createSettle(area, claims),
    ...createInterventions(area),
    ...createMaintain(area, claims),
    ...createExport(area),
    ...createImport(area),
    hints: (signal) => area.hints.listen(signal),
    close,
  };
}

/** Makes the tables before anything else asks for them. */
async function prepare(primary: Primary): Promise<JobStore["caps"]["durability"]> {
  const { connection, durability } = await primary.first();
  const late = () => connection.destroy(`the tables were not ready within ${migrationMs} ms`);
  const timer = setTimeout(late, migrationMs);
  try {
    await connection.transaction((query) => migrate(query));
    await makeSafe(connection.query);
    await connection.end();
  } catch (error) {
    connection.destroy("the store was not opened");
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return durability;
}

async function probe(primary: Primary): Promise<StoreError | undefined> {
  try {
    const connection = await primary.connect();
    await connection.end();
    return undefined;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
}

async function connectOrClose(primary: Primary, gate: Gate): Promise<Connection> {
  try {
    return await primary.connect();
  } catch (error) {
    // Without room for one more connection, those that are there go on.
    if (error instanceof StoreError && !isCrowded(error)) gate.fail("closed", error);
    throw error;
  }
}

function checked(options: PostgresOptions): Required<PostgresOptions> {
  const whole = (name: keyof PostgresOptions, fallback: number, [min, max]: [number, number]) => {
    const value = options[name] ?? fallback;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw invalid(`${name} must be a whole number from ${min} to ${max}, got ${value}`);
  };
  return {
    writers: whole("writers", 4, [1, 100]),
    connections: whole("connections", 6, [1, 100]),
    deadlineMs: whole("deadlineMs", 10_000, [100, 600_000]),
  };
}
