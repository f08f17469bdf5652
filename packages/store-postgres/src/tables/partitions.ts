import type { Query } from "../database/connection.ts";
import { dayMs, dayOf, firstIdAt, startOfDay } from "./job-id.ts";
import { allDays } from "./job-tables.ts";
import type { Pool } from "../database/pool.ts";

/** The days that have partitions, as far as this process knows. */
export interface Partitions {
  has: (day: string) => boolean;
  /** Its tables turned out to be gone. */
  forget: (day: string) => void;
  /** Learns which days there are, and makes the coming ones and those wanted. Cheap if they are there. */
  ensure: (wanted?: Iterable<string>) => Promise<void>;
}

/** The partitions of the database that `pool` leads to. */
export function createPartitions(pool: Pool): Partitions {
  let known = new Set<string>();

  const learn = async (query: Query): Promise<number> => {
    const [row] = await query<{ now: string; days: string[] }>({
      name: "days",
      text: "SELECT ingest.clock() AS now, ARRAY(SELECT day FROM ingest.day) AS days",
    });
    known = new Set(row?.days);
    return Number(row?.now);
  };
  const missing = (now: number, wanted: Iterable<string>) => {
    const coming = [-1, 0, 1, 2].map((distance) => dayOf(now + distance * dayMs));
    return [...new Set([...coming, ...wanted])].filter((day) => !known.has(day));
  };

  return {
    has: (day) => known.has(day),
    forget: (day) => void known.delete(day),
    async ensure(wanted = []) {
      if (missing(await learn(pool.query), wanted).length === 0) return;
      await pool.transaction(async (query) => {
        await query({ text: "SELECT pg_advisory_xact_lock(hashtextextended('ingest.days', 0))" });
        for (const day of missing(await learn(query), wanted)) await query({ text: partitionsOf(day) });
      });
      await learn(pool.query);
    },
  };
}

/** Made apart and then attached, which stops nobody; made as partitions, they would have to wait for all who read. */
function partitionsOf(day: string): string {
  const from = firstIdAt(startOfDay(day));
  const to = firstIdAt(startOfDay(day) + dayMs);
  const tables = Object.keys(allDays).map(
    (table) => `CREATE TABLE ingest.${table}_${day} (LIKE ingest.${table} INCLUDING ALL);
      ALTER TABLE ingest.${table} ATTACH PARTITION ingest.${table}_${day} FOR VALUES FROM ('${from}') TO ('${to}');`,
  );
  return `${tables.join("\n")} INSERT INTO ingest.day (day) VALUES ('${day}')`;
}
