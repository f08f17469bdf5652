import { tmpdir } from "node:os";
import { execute, startPostgres } from "@event-ingestion/store-postgres/testing";
import { cpuSecondsOf } from "../process/process-tree.ts";
import { isInMemory } from "../report/machine.ts";
import type { Bench } from "../scenario.ts";
import type { Database } from "./queue.ts";

/** Room in memory and few checkpoints, as its manual advises for many writes. What is durable stays as it is. */
const settings = { shared_buffers: "512MB", max_wal_size: "4GB", max_connections: "200" };

/** A Postgres for one round, with an empty database. */
export async function startPostgresDatabase({ own }: Pick<Bench, "own">): Promise<Database> {
  const server = own(await startPostgres({ settings }));
  const [row] = await execute(
    server.url(),
    "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid, current_setting('server_version') AS version",
  );
  const version = String(row?.version);
  return {
    url: await server.createDatabase(),
    cpuSeconds: () => cpuSecondsOf(Number(row?.pid)),
    versions: { Postgres: isInMemory(tmpdir()) ? `${version} (in memory: nothing is durable)` : version },
  };
}
