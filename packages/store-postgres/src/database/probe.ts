import { StoreError } from "@event-ingestion/store";
import type { Finding } from "./availability.ts";
import type { Connections } from "./connections.ts";
import type { Primary } from "./primary.ts";

/** How long a probe waits for a connection that is in use. */
const waitMs = 1000;

/**
 * Finds out whether the database can be used. A connection that it makes is kept for the calls, so that a server with room
 * for one only is not asked for two.
 */
export async function probe(primary: Primary, connections: Connections): Promise<Finding> {
  const reason = await failureOf(async () => connections.give(await primary.connect()));
  if (reason === undefined) return { kind: "open" };
  if (reason.reason !== "unavailable" || connections.size === 0) return { kind: "closed", reason };
  const connection = await connections.reuse(waitMs).catch(() => undefined);
  if (connection === undefined) return { kind: "undecided" };
  const failure = await failureOf(() => primary.prove(connection));
  connections.give(connection);
  return failure === undefined ? { kind: "crowded", reason } : { kind: "closed", reason: failure };
}

async function failureOf(work: () => Promise<void>): Promise<StoreError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
}
