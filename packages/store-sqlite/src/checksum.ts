import { crc32 } from "node:zlib";
import type { JobId } from "@event-ingestion/store";

/** All of a job that never changes; the payload by its own checksum, so that a job is checked without reading it. */
export interface Head {
  jobId: JobId;
  tenant: string;
  eventId: string;
  type: string;
  timestamp: bigint | number | string;
  budget: number;
  trace: string | null;
  payloadCrc: number;
}

export function headCrc(head: Head): number {
  const { jobId, budget, timestamp, tenant, eventId, type, trace } = head;
  // No key holds U+0000, so the joined text has one reading.
  return crc32([jobId, budget, timestamp, head.payloadCrc, tenant, eventId, type, trace].join("\0"));
}

export function payloadCrc(payload: Uint8Array): number {
  return crc32(payload);
}
