import { type Job, type JobId, revision, stateName } from "@event-ingestion/store";
import { headCrc, payloadCrc } from "./checksum.ts";
import { damaged } from "../database/errors.ts";
import { formatJobId } from "./job-id.ts";

/**
 * The fields of a job that never change, without the payload. Select them with `headColumns` from `job j LEFT JOIN body b`: a row
 * whose body is missing must fail its check, not silently be absent.
 */
export interface HeadRow {
  seq: number;
  at: number;
  salt: number;
  tenant: string;
  event_id: string;
  budget: number;
  /** Text beyond 2^53, where a plain read would throw; reading every integer as BigInt would cost more. */
  event_ts: number | string;
  head_crc: number | null;
  payload_crc: number;
  type: string;
  trace: string | null;
}

/** A head with the payload. */
export interface PayloadRow extends HeadRow {
  payload: Uint8Array;
}

/** A job as the port shows it. */
export interface JobRow extends HeadRow {
  state: number;
  attempts: number;
  max_attempts: number;
  /** See the schema: of a RUNNING job alone it says whether that was asked to stop. */
  cancel: number;
  run_at: number | null;
  finished_at: number | null;
  last_error: string | null;
  result: Uint8Array | null;
}

/** The columns of a `HeadRow`. */
export const headColumns = `j.seq, j.at, j.salt, j.tenant, j.event_id, b.budget, b.head_crc, b.payload_crc, b.type, b.trace,
  CASE WHEN b.event_ts BETWEEN -9007199254740991 AND 9007199254740991 THEN b.event_ts
    ELSE CAST(b.event_ts AS TEXT) END AS event_ts`;

/** The columns of a `JobRow`. */
export const jobColumns: string = `${headColumns},
  j.state, j.attempts, j.max_attempts, j.cancel, j.run_at, j.finished_at,
  (SELECT e.error FROM attempt_error e WHERE e.seq = j.seq ORDER BY e.attempt DESC LIMIT 1) AS last_error,
  (SELECT r.result FROM result r WHERE r.seq = j.seq) AS result`;

/**
 * The id of a row that passes its check.
 *
 * @throws StoreError corrupt, naming file and row
 */
export function checkedId(row: HeadRow, file: string): JobId {
  const jobId = formatJobId(row);
  const crc = headCrc({
    jobId,
    tenant: row.tenant,
    eventId: row.event_id,
    type: row.type,
    timestamp: row.event_ts,
    budget: row.budget,
    trace: row.trace,
    payloadCrc: row.payload_crc,
  });
  if (crc !== row.head_crc) throw damagedRow(row, file);
  return jobId;
}

/** The same for a row with its payload. */
export function checkedPayloadId(row: PayloadRow, file: string): JobId {
  const jobId = checkedId(row, file);
  checkPayload(row, row.payload, file);
  return jobId;
}

/** @throws StoreError corrupt if that is not the payload of the row */
export function checkPayload(row: HeadRow, payload: Uint8Array, file: string): void {
  if (payloadCrc(payload) !== row.payload_crc) throw damagedRow(row, file);
}

/** @throws StoreError corrupt, naming file and row */
export function toJob(row: JobRow, file: string): Job {
  const jobId = checkedId(row, file);
  const state = stateName(row.state);
  if (state === undefined) throw damagedRow(row, file);
  const cancelRequested = state === "RUNNING" && row.cancel === 1;
  return {
    jobId,
    tenant: row.tenant,
    eventId: row.event_id,
    type: row.type,
    timestamp: BigInt(row.event_ts),
    state,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    acceptedAt: row.at,
    ...(row.run_at !== null && { nextAttemptAt: row.run_at }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    ...(row.result !== null && { result: row.result }),
    cancelRequested,
    revision: revision({ state, attempts: row.attempts, cancelRequested }),
  };
}

function damagedRow(row: HeadRow, file: string) {
  return damaged(`job ${row.seq} of store ${file} is damaged (its checksum differs)`);
}
