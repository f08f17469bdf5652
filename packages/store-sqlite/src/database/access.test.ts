import { chmodSync, mkdirSync } from "node:fs";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { startStoreProcess } from "../testing/store-process.ts";
import { tempFolder } from "../testing/temp-folder.ts";

/** Root may do anything, unless it gives that up. */
const asAnybody: [string, ...string[]] =
  process.getuid?.() === 0
    ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    : ["env"];

test.each([
  { what: "the database", part: "data/events.db", mode: 0o444 },
  { what: "the info file", part: "data/events.db-info", mode: 0o000 },
  { what: "the folder", part: "data", mode: 0o555 },
  { what: "the folder above a new one", part: "", mode: 0o555, opens: "new/events.db" },
])(
  "without permission for $what the store is refused, and the message names it",
  needs("linux", "setpriv"),
  async ({ part, mode, opens = "data/events.db" }) => {
    using folder = tempFolder();
    mkdirSync(folder.file("data"));
    await (await openSqliteStore(`sqlite:${folder.file("data/events.db")}`, { reserveBytes: 0 })).close();
    chmodSync(folder.file(part), mode);
    await using other = startStoreProcess(
      "sqlite::memory:",
      `say(await openSqliteStore(${JSON.stringify(`sqlite:${folder.file(opens)}`)}).then(() => "opened", (error) => error.message));`,
      asAnybody,
    );
    const said: string = JSON.parse(await other.next());
    chmodSync(folder.file(part), 0o700);
    const path = opens === "new/events.db" ? folder.file("new") : folder.file(part);
    expect(said).toContain(`no permission to read and write ${path} (EACCES): give it to `);
  },
);
