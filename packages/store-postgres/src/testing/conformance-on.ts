import { storeConformance } from "@event-ingestion/store/conformance";
import { openPostgresStore } from "../postgres-store.ts";
import { createDatabase, emptyStore, installClock, moveClock } from "./databases.ts";
import { sharedServer } from "./shared-server.ts";

/** Declares the conformance suite over a server of that version. All cases share a database, one after the other. */
export function conformanceOn(major: number): void {
  const server = sharedServer(major);
  if (server === undefined) return;
  let database: string | undefined;
  let last: string | undefined;

  const prepare = async () => {
    const url = await createDatabase(server);
    await (await openPostgresStore(url)).close();
    await installClock(url);
    return url;
  };
  storeConformance(`Postgres ${major}`, {
    async open(name) {
      const url = (database ??= await prepare());
      if (name !== last) await emptyStore(url);
      last = name;
      return openPostgresStore(url);
    },
    elapse: async (ms) => moveClock(database ?? "", ms),
    spanMs: 600_000,
  });
}
