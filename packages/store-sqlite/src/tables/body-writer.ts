import type { JobId } from "@event-ingestion/store";
import { headCrc, payloadCrc } from "./checksum.ts";
import { type Database, type Value, prepareInsert } from "../database/driver.ts";
import type { PlainEvent } from "./plain-event.ts";

/** What never changes of a job. */
interface Body {
  seq: number;
  jobId: JobId;
  /** `maxAttempts` is the budget. */
  event: Omit<PlainEvent, "runAt">;
}

/** Writes up to `maxInsertRows` bodies, with their checksums. */
type WriteBodies = (bodies: readonly Body[]) => void;

/** Writes what never changes of new jobs, many rows a statement. */
export function createBodyWriter(db: Database): WriteBodies {
  const insert = prepareInsert(db, {
    into: "body",
    columns: ["seq", "budget", "event_ts", "head_crc", "payload_crc", "type", "payload", "trace"],
  });
  return (bodies) => {
    const values: Value[] = [];
    for (const { seq, jobId, event } of bodies) {
      const { tenant, eventId, type, payload, timestamp, maxAttempts: budget, trace } = event;
      const crc = payloadCrc(payload);
      const head = headCrc({ jobId, tenant, eventId, type, timestamp, budget, trace, payloadCrc: crc });
      // Text beyond 2^53 is made an integer by its column.
      values.push(seq, budget, timestamp, head, crc, type, payload, trace);
    }
    insert(values);
  };
}
