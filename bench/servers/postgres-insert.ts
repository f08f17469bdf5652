// Postgres by itself: rows as a store needs them at least, inserted many at once with a check for duplicates.
import { Pool } from "pg";
import type { NewEvent } from "@event-ingestion/store";
import { callInLoop, type LoopResult } from "../load/loop.ts";
import { answers } from "../process/probe.ts";
import { newEvents } from "./new-event.ts";
import type { Appends } from "./store-append.ts";

const table = `CREATE TABLE event (
  tenant text, event_id text, type text, event_ts bigint, max_attempts int, payload bytea,
  accepted_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (event_id, tenant))`;
const insert = {
  name: "insert",
  text: `INSERT INTO event (tenant, event_id, type, event_ts, max_attempts, payload)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::bytea[])
    ON CONFLICT DO NOTHING`,
};

answers("insert", async ({ url, size, inFlight, warmUpSeconds, seconds }: Appends): Promise<LoopResult> => {
  const pool = new Pool({ connectionString: url, max: inFlight });
  await pool.query(table);
  const batch = () => newEvents(size);
  const append = async (events: NewEvent[]) => {
    const columns = [
      events.map(({ tenant }) => tenant),
      events.map(({ eventId }) => eventId),
      events.map(({ type }) => type),
      events.map(({ timestamp }) => timestamp),
      events.map(({ maxAttempts }) => maxAttempts),
      events.map(({ payload }) => payload),
    ];
    const { rowCount } = await pool.query({ ...insert, values: columns });
    if (rowCount !== events.length) throw new Error("a new event was not new");
    return events.length;
  };
  await callInLoop({ inFlight, until: { seconds: warmUpSeconds } }, batch, append);
  return callInLoop({ inFlight, until: { seconds } }, batch, append);
});
