import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import { createCounters } from "../tables/counters.ts";
import { tempFolder } from "../testing/temp-folder.ts";
import type { Database } from "./driver.ts";
import { type Medium, fileMedium, memoryMedium } from "./medium.ts";

const mediumOf = (file: string) => fileMedium(file, { reserveBytes: 0, observe() {} });

/** As the availability does it: opened, signed, some jobs committed. */
function openSigned(medium: Medium): Database {
  const db = medium.open(0);
  medium.sign(db, 0);
  commitSeq(db, 5);
  return db;
}

function commitSeq(db: Database, seq: number): void {
  const counters = createCounters(db);
  counters.set("lastSeq", seq);
  counters.save();
}

test("a store that is gone when it is opened again is not made anew, and opens when it is back", () => {
  using folder = tempFolder();
  mkdirSync(folder.file("data"));
  const medium = mediumOf(folder.file("data/events.db"));
  medium.close(openSigned(medium), "failed");
  renameSync(folder.file("data"), folder.file("moved"));
  expect(() => medium.open(5)).toThrow("is empty or missing (deleted, moved or unmounted): put it back");
  expect(existsSync(folder.file("data"))).toBe(false);
  mkdirSync(folder.file("data"));
  expect(() => medium.open(5)).toThrow("is empty or missing");
  expect(readdirSync(folder.file("data"))).toEqual([]);

  rmSync(folder.file("data"), { recursive: true });
  renameSync(folder.file("moved"), folder.file("data"));
  medium.close(medium.open(5), "clean");
});

test.each([
  {
    what: "another store",
    put: (file: string) => {
      const other = mediumOf(`${file}-other`);
      other.close(openSigned(other), "clean");
      renameSync(`${file}-other`, file);
    },
    says: "is another store than the one that was open",
  },
  {
    what: "an empty database",
    put: (file: string) => copyFileSync("/dev/null", file),
    says: "is empty or missing",
  },
  {
    what: "no database",
    put: (file: string) => copyFileSync(import.meta.filename, file),
    says: "not the file that was open",
  },
])("$what in the place of the store is not opened, and left as it was", ({ put, says }) => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const medium = mediumOf(file);
  medium.close(openSigned(medium), "failed");
  renameSync(file, `${file}-first`);
  put(file);
  const before = readFileSync(file);
  expect(() => medium.open(5)).toThrow(expect.objectContaining({ reason: "unavailable" }));
  expect(() => medium.open(5)).toThrow(says);
  expect(readFileSync(file).equals(before)).toBe(true);

  renameSync(`${file}-first`, file);
  medium.close(medium.open(5), "clean");
});

test("an older copy of the store is not opened again: of before this process, or of before the last commit", () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const first = mediumOf(file);
  first.close(openSigned(first), "clean");
  copyFileSync(file, folder.file("before"));
  const medium = mediumOf(file);
  const db = openSigned(medium);
  medium.close(db, "failed");
  copyFileSync(file, folder.file("during"));

  copyFileSync(folder.file("before"), file);
  expect(() => medium.open(5)).toThrow("an older copy is in its place");
  copyFileSync(folder.file("during"), file);
  expect(() => medium.open(6)).toThrow("lacks events that were accepted");
  medium.close(medium.open(5), "clean");
});

test("a store that another process has opened meanwhile is not opened again", () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const medium = mediumOf(file);
  medium.close(openSigned(medium), "failed");
  const other = mediumOf(file);
  other.close(openSigned(other), "clean");
  expect(() => medium.open(5)).toThrow("another process has opened");
});

test("a store in memory is lost with its connection, and not made anew", () => {
  const medium = memoryMedium();
  medium.close(medium.open(0), "failed");
  expect(() => medium.open(0)).toThrow("the store in memory is lost");
});
