import type { JobId, Leased } from "@event-ingestion/store";

/**
 * Events as they cross threads: a column for each field and all payloads in one piece. A thousand small objects cost
 * more than twice as much to copy.
 */
export interface EventColumns {
  tenants: string[];
  eventIds: string[];
  types: string[];
  /** As text beyond 2^53. */
  timestamps: (number | string)[];
  maxAttempts: number[];
  traces: (string | null)[];
  payloads: Uint8Array;
  /** Where each payload ends. */
  ends: number[];
}

/** What a claim handed out. */
export interface LeasedColumns extends EventColumns {
  jobIds: JobId[];
  attempts: number[];
  acceptedAts: number[];
}

export function unpackLeased(columns: LeasedColumns): Leased[] {
  const { jobIds, attempts, acceptedAts, traces, payloads, ends } = columns;
  return jobIds.map((jobId, index) => {
    const trace = traces[index] ?? null;
    return {
      jobId,
      attempt: attempts[index] ?? 0,
      acceptedAt: acceptedAts[index] ?? 0,
      event: {
        tenant: columns.tenants[index] ?? "",
        eventId: columns.eventIds[index] ?? "",
        type: columns.types[index] ?? "",
        payload: payloads.subarray(ends[index - 1] ?? 0, ends[index]),
        timestamp: BigInt(columns.timestamps[index] ?? 0),
        maxAttempts: columns.maxAttempts[index] ?? 0,
        ...(trace !== null && { trace }),
      },
    };
  });
}
