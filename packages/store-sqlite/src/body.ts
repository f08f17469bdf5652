import { type JobId, type NewEvent, keptTrace } from "@event-ingestion/store";
import { headCrc, payloadCrc } from "./checksum.ts";
import type { Database } from "./driver.ts";

/** Writes what never changes of a job, with its checksums. `maxAttempts` of the event is its budget. */
export type WriteBody = (seq: number, jobId: JobId, event: NewEvent) => void;

export function createBodyWriter(db: Database): WriteBody {
  const insert =
    db.prepare(`INSERT INTO body(seq, budget, event_ts, head_crc, payload_crc, type, payload, trace)
    VALUES(?, ?, ?, ?, ?, ?, ?, ?)`);
  return (seq, jobId, event) => {
    const { tenant, eventId, type, payload, timestamp, maxAttempts: budget } = event;
    const trace = keptTrace(event.trace);
    const crc = payloadCrc(payload);
    const head = headCrc({ jobId, tenant, eventId, type, timestamp, budget, trace, payloadCrc: crc });
    insert.run(seq, budget, timestamp, head, crc, type, payload, trace);
  };
}
