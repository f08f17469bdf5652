import { createHints, invalid, type JobStore, StoreError } from "@event-ingestion/store";
import { createAppend } from "./operations/append.ts";
import type { StoreContext } from "./operations/store-context.ts";
import { passRecoveryBarrier } from "./database/recovery-barrier.ts";
import { createClaims } from "./operations/claim.ts";
import { openClock } from "./time/clock.ts";
import { createMachineTime, type MachineTime } from "./time/machine-time.ts";
import { type Connections, createConnections } from "./database/connections.ts";
import { createCounts } from "./operations/counts.ts";
import { createPartitions } from "./tables/partitions.ts";
import { createExport } from "./operations/export.ts";
import { createAvailability } from "./database/availability.ts";
import { probe } from "./database/probe.ts";
import { parseHosts } from "./database/hosts.ts";
import { createImport } from "./operations/import.ts";
import { createInterventions } from "./operations/interventions.ts";
import { limits } from "./limits.ts";
import { createList } from "./operations/list.ts";
import { createMaintain } from "./operations/maintain.ts";
import { createPool } from "./database/pool.ts";
import { createPrimary, type Primary } from "./database/primary.ts";
import { createRead } from "./operations/read.ts";
import { migrate } from "./database/schema.ts";
import { createSessions } from "./operations/sessions.ts";
import { createSettle } from "./operations/settle.ts";

/** How long opening waits for the tables, while another replica may be making them. */
const migrationMs = 60_000;

/** How a store is opened. */
export interface PostgresOptions {
  /** Appends at once, each over a connection: so many commits of this process are under way. 1 to 100, default 4. */
  writers?: number;
  /** Other calls at once, each over a connection. 1 to 100, default 6. */
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
export function openPostgresStore(url: string, options: PostgresOptions = {}): Promise<JobStore> {
  return openPostgresStoreBy(createMachineTime(), url, options);
}

/** The same by the time of another machine. */
export async function openPostgresStoreBy(
  machineTime: MachineTime,
  url: string,
  options: PostgresOptions = {},
): Promise<JobStore> {
  const { writers, connections, deadlineMs } = checked(options);
  const primary = createPrimary(parseHosts(url), Math.min(deadlineMs, 5000));
  const { connection, durability } = await prepare(primary);

  const availability = createAvailability(() => probe(primary, shared));
  const max = writers + connections;
  const shared = createConnections({ max, connect: () => primary.connect(), availability });
  shared.give(connection);
  const pooled = { deadlineMs, connections: shared, availability };
  const others = createPool({ ...pooled, lane: "other", size: connections });
  const hints = createHints();
  const appends = createPool({ ...pooled, lane: "append", size: writers });
  const partitions = createPartitions(others);
  const close = async () => {
    await Promise.all([appends.close(), others.close()]);
    await shared.close();
    availability.end();
    hints.close();
  };
  const closed = async (error: unknown): Promise<never> => {
    await close();
    throw error;
  };
  await addSecond(primary, shared).catch(closed);
  await partitions.ensure().catch(closed);
  const clock = await openClock(others, machineTime).catch(closed);
  const caps = { durability, exclusive: false, writers, ...limits };
  const context: StoreContext = { caps, writers: appends, others, availability, partitions, hints, clock };
  const claims = createClaims(context);
  return {
    caps,
    get health() {
      return availability.health;
    },
    ...createAppend(context),
    ...createRead(context),
    ...createList(context),
    ...createCounts(context),
    ...createSessions(context),
    claim: claims.claim,
    ...createSettle(context, claims),
    ...createInterventions(context),
    ...createMaintain(context, claims),
    ...createExport(context),
    ...createImport(context),
    hints: (signal) => hints.listen(signal),
    close,
  };
}

/** Makes the tables before anything else asks for them. */
async function prepare(primary: Primary): ReturnType<Primary["first"]> {
  const { connection, durability } = await primary.first();
  const late = () => connection.destroy(`the tables were not ready within ${migrationMs} ms`);
  const timer = setTimeout(late, migrationMs);
  try {
    await connection.transaction((query) => migrate(query));
    await passRecoveryBarrier(connection.query);
  } catch (error) {
    connection.destroy("the store was not opened");
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { connection, durability };
}

/** Finds out whether a pooler gives both connections one session. The store also works without this check. */
async function addSecond(primary: Primary, connections: Connections): Promise<void> {
  try {
    connections.give(await primary.connect());
  } catch (error) {
    if (!(error instanceof StoreError) || error.reason !== "unavailable") throw error;
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
