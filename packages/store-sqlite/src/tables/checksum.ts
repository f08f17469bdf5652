import { crc32 } from "node:zlib";
import type { JobId } from "@event-ingestion/store";

/** The fields of a job that never change. The payload has its own checksum, so that a job is checked without reading it. */
export interface Head {
  jobId: JobId;
  tenant: string;
  eventId: string;
  type: string;
  /** As text beyond 2^53. */
  timestamp: number | string;
  budget: number;
  trace: string | null;
  payloadCrc: number;
}

/** The checksum of all of a job that never changes, payload aside. */
export function headCrc(head: Head): number {
  const { jobId, budget, timestamp, tenant, eventId, type, trace } = head;
  // No key holds U+0000, so the text has one reading.
  return crc32(
    `${jobId}\0${budget}\0${timestamp}\0${head.payloadCrc}\0${tenant}\0${eventId}\0${type}\0${trace ?? ""}`,
  );
}

/** The checksum of a payload. */
export function payloadCrc(payload: Uint8Array): number {
  return crc32(payload);
}
