import type { Query, Statement } from "./connection.ts";

const touch: Statement = { text: "UPDATE ingest.meta SET v = ingest.clock()::text WHERE k = 'barrier'" };

/**
 * The recovery barrier: a commit that waits for its standby, and so for all commits before it. Rows that are visible after a
 * restart, or after a commit whose wait was cancelled, may not have reached the standby, so nothing may be answered about them
 * before this commit. It also proves that the server can be written.
 */
export async function passRecoveryBarrier(query: Query): Promise<void> {
  await query(touch, undefined, "promises");
}
