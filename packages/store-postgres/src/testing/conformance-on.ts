import { needs } from "@event-ingestion/needs";
import { storeConformance } from "@event-ingestion/store/conformance";
import { describe } from "vitest";
import { openPostgresStore, openPostgresStoreBy } from "../postgres-store.ts";
import { createDatabase, emptyStore, installClock, elapse, machineOn } from "./databases.ts";
import { sharedPostgres, sharedServer } from "./shared-server.ts";

/** Declares the conformance suite over a server of that version. All cases share a database, one after the other. */
export function conformanceOn(major: number): void {
  const server = sharedServer(major);
  let database: string | undefined;
  let last: string | undefined;
  let passedMs = 0;

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
      return openPostgresStoreBy(
        machineOn(() => passedMs),
        url,
      );
    },
    async elapse(ms: number) {
      await elapse(database ?? "", ms);
      passedMs += ms;
    },
    spanMs: 600_000,
  };
  const name = `Postgres ${major}`;
  describe(`on ${name}`, needs(sharedPostgres(major)), () => {
    storeConformance(name, store);
  });
}
