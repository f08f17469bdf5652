import { needs } from "@event-ingestion/needs";
import { storeConformance } from "@event-ingestion/store/conformance";
import { describe } from "vitest";
import { openPostgresStore } from "../postgres-store.ts";
import { createDatabase, emptyStore, installClock, moveClock } from "./databases.ts";
import { sharedPostgres, sharedServer } from "./shared-server.ts";

/** Declares the conformance suite over a server of that version. All cases share a database, one after the other. */
export function conformanceOn(major: number): void {
  const server = sharedServer(major);
  let database: string | undefined;
  let last: string | undefined;

  const prepare = async () => {
    const url = await createDatabase(server ?? "");
    await (await openPostgresStore(url)).close();
    await installClock(url);
    return url;
  };
  const store = {
    async open(name: string) {
      const url = (database ??= await prepare());
      if (name !== last) await emptyStore(url);
      last = name;
      return openPostgresStore(url);
    },
    elapse: async (ms: number) => moveClock(database ?? "", ms),
    spanMs: 600_000,
  };
  const name = `Postgres ${major}`;
  describe(`on ${name}`, needs(sharedPostgres(major)), () => {
    storeConformance(name, store);
  });
}
