import type { Query, Statement } from "./connection.ts";

const touch: Statement = { text: "UPDATE ingest.meta SET v = ingest.clock()::text WHERE k = 'barrier'" };

/**
 * The recovery barrier: a commit that waits for its standby, and with it for everything before it. What is visible after
 * a restart, or after a commit whose wait was cancelled, may not have reached the standby; nothing may be said about it
 * before this. It also proves that the server can be written.
 */
export async function passRecoveryBarrier(query: Query): Promise<void> {
  await query(touch, undefined, "promises");
}
