import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needs } from "@event-ingestion/needs";
import { openSqliteStore, type SqliteEvent } from "../sqlite-store.ts";
import { fileSystemFrom } from "./file-system.ts";

test("a file in memory keeps nothing, and the store says so", needs("/dev/shm"), async () => {
  const folder = mkdtempSync("/dev/shm/store-sqlite-");
  const events: SqliteEvent[] = [];
  const observe = (event: SqliteEvent) => void events.push(event);
  const store = await openSqliteStore(`sqlite:${join(folder, "events.db")}`, { reserveBytes: 0, observe });
  expect(store.caps.durability).toBe("memory");
  await store.close();
  rmSync(folder, { recursive: true });
  expect(events.map(({ kind }) => kind)).toEqual(["opened"]);
});

test.each([
  [0x6969, { keeps: "unsure", name: "nfs" }],
  [0xfe534d42, { keeps: "unsure", name: "smb2" }],
  [-28095166, { keeps: "unsure", name: "smb2" }],
  [0x794c7630, { keeps: "unsure", name: "overlay" }],
  [0x01021994, { keeps: "nothing", name: "tmpfs" }],
  [0xef53, { keeps: "what is synced" }],
])("statfs type %i", (type, fileSystem) => {
  expect(fileSystemFrom(type)).toEqual(fileSystem);
});
