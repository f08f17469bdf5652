/** An event as the tables keep it. */
export interface PlainEvent {
  tenant: string;
  eventId: string;
  type: string;
  /** As text beyond 2^53. */
  timestamp: number | string;
  maxAttempts: number;
  runAt: number | null;
  trace: string | null;
  payload: Uint8Array;
}

/** SQLite's integers as JavaScript can hold them. */
export function plainTimestamp(timestamp: bigint): number | string {
  const number = Number(timestamp);
  return Number.isSafeInteger(number) ? number : String(timestamp);
}
