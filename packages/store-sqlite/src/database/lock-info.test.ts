import { readFileSync, writeFileSync } from "node:fs";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { startStoreProcess } from "../testing/store-process.ts";
import { tempFolder } from "../testing/temp-folder.ts";
import { describeHolder } from "./lock-info.ts";

test(
  "of a file that another program holds, that program is named, and not the store's last process",
  needs("linux"),
  async () => {
    using folder = tempFolder();
    const file = folder.file("events.db");
    const forever = "setInterval(() => {}, 1000);";
    await using dead = startStoreProcess(`sqlite:${file}`, `say("open"); ${forever}`);
    await dead.next();
    await dead.kill();
    await using holder = startStoreProcess(
      "sqlite::memory:",
      `const { DatabaseSync } = await import("node:sqlite");
     const db = new DatabaseSync(${JSON.stringify(file)});
     db.exec("BEGIN; SELECT * FROM meta");
     say("held"); ${forever}`,
    );
    await holder.next();
    const name = readFileSync(`/proc/${holder.child.pid}/comm`, "utf8").trimEnd();
    await expect(openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 })).rejects.toThrow(
      `store ${file} is in use by another process (pid ${holder.child.pid}, ${name})`,
    );
  },
);

test("a holder that cannot be seen is not taken for a process that has ended", needs("linux"), async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await (await openSqliteStore(`sqlite:${file}`, { reserveBytes: 0 })).close();
  expect(describeHolder(file)).toBe("another process");
  writeFileSync(`${file}-info`, "pid 7 on a-container since 2026-11-23T09:12:00.000Z\n");
  expect(describeHolder(file)).toBe(
    "another process (it was last opened by pid 7 on a-container since 2026-11-23T09:12:00.000Z)",
  );
});
