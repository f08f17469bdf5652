import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { killedAtSync } from "../testing/failing-disk.ts";
import { newEvents } from "../testing/new-event.ts";
import { readSampleJobs, writeSampleJobs } from "../testing/sample-jobs.ts";
import { tempFolder } from "../testing/temp-folder.ts";
import { type FileEvent, openFile } from "./connection.ts";
import { type Database, openDatabase, pragma, query } from "./driver.ts";
import { allMigrations, expectedSchemaText, schemaText, schemaVersions } from "./schema.ts";

const small = { reserveBytes: 0 };
const quiet = { observe() {} };
const { first, last } = schemaVersions();
const released = Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** What leads to versions that do not exist, but could. */
const column =
  "ALTER TABLE job ADD COLUMN lane TEXT; CREATE INDEX job_lane ON job(lane) WHERE lane IS NOT NULL";
const table =
  "CREATE TABLE schedule(name TEXT PRIMARY KEY, next INTEGER NOT NULL); INSERT INTO schedule VALUES('a', 1)";
const withColumn = [...allMigrations, column];
const withBoth = [...withColumn, table];

test.each(released)(
  "a file that a release with schema version %i has written holds the same jobs",
  async (version) => {
    using folder = tempFolder();
    const file = folder.file("released.db");
    const sample = new URL(`../testing/version-${version}.db.gz`, import.meta.url);
    writeFileSync(file, gunzipSync(readFileSync(sample)));
    await writeSampleJobs(() => openSqliteStore(`sqlite:${folder.file("fresh.db")}`, small));

    const [old, fresh] = [
      await openSqliteStore(`sqlite:${file}`, small),
      await openSqliteStore(`sqlite:${folder.file("fresh.db")}`, small),
    ];
    expect(await readSampleJobs(old)).toEqual(await readSampleJobs(fresh));
    expect((await old.counts()).byState).toEqual((await fresh.counts()).byState);
    const session = await old.openSession("worker", 60_000);
    expect((await old.claim(session, 10)).length).toBeGreaterThan(0);
    await old.close();
    await fresh.close();
  },
);

test("a new file has the definitions of a migrated one, to the letter", async () => {
  using folder = tempFolder();
  const [fresh, old] = [folder.file("fresh.db"), await storeWithJobs(folder.file("old.db"))];
  const text = expectedSchemaText(last + 2, withBoth);
  for (const file of [fresh, old]) {
    const db = openFile(file, { ...quiet, migrations: withBoth });
    expect(schemaText(db)).toBe(text);
    expect(pragma(db, "user_version")).toBe(last + 2);
    db.close();
  }
  expect(text).toContain("lane TEXT");
});

test("a file goes through all steps to the last version, with its jobs, and says so; then nothing is left to do", async () => {
  using folder = tempFolder();
  const file = await storeWithJobs(folder.file("events.db"));
  const events: FileEvent[] = [];
  const options = { observe: (event: FileEvent) => events.push(event), migrations: withBoth };
  for (let time = 0; time < 2; time++) {
    const db = openFile(file, options);
    expect(countJobs(db)).toBe(20);
    db.close();
  }
  expect(events).toEqual([{ kind: "migrated", file, from: last, to: last + 2 }]);
});

test("a file of a newer version is refused by name and left as it was, also with steps that this program lacks", async () => {
  using folder = tempFolder();
  const file = await storeWithJobs(folder.file("events.db"));
  openFile(file, { ...quiet, migrations: withColumn }).close();
  const before = readFileSync(file);
  const newer = `store ${file} has schema version ${last + 1}, this program knows versions up to ${last}`;
  await expect(openSqliteStore(`sqlite:${file}`, small)).rejects.toMatchObject({ reason: "incompatible" });
  await expect(openSqliteStore(`sqlite:${file}`, small)).rejects.toThrow(newer);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a step that fails is undone as a whole, those before it stay, and it can be done again", async () => {
  using folder = tempFolder();
  const file = await storeWithJobs(folder.file("events.db"));
  const failing = [...withColumn, `${table}; INSERT INTO missing VALUES(1)`];
  expect(() => openFile(file, { ...quiet, migrations: failing })).toThrow(`store ${file} failed`);
  const between = openFile(file, { ...quiet, migrations: withColumn });
  expect(schemaText(between)).toBe(expectedSchemaText(last + 1, withColumn));
  between.close();
  const db = openFile(file, { ...quiet, migrations: withBoth });
  expect(countJobs(db)).toBe(20);
  db.close();
});

test("a file whose definitions differ is damage, and no step touches it", async () => {
  using folder = tempFolder();
  const file = await storeWithJobs(folder.file("events.db"));
  const db = openDatabase(file);
  db.exec("DROP INDEX job_due");
  db.close();
  const before = readFileSync(file);
  expect(() => openFile(file, { ...quiet, migrations: withBoth })).toThrow("its table definitions differ");
  expect(readFileSync(file).equals(before)).toBe(true);
});

test(
  "killed at any fsync of a migration, a file opens with all its jobs and at the last version",
  needs("strace"),
  async () => {
    using folder = tempFolder();
    const file = await storeWithJobs(folder.file("events.db"));
    const seen = new Set<unknown>();
    for (let killAt = 1, status: number | null = null; status !== 0; killAt++) {
      const copy = folder.file(`copy-${killAt}.db`);
      copyFileSync(file, copy);
      status = migrateKilled(copy, killAt);
      seen.add(versionOf(copy));
      const db = openFile(copy, { ...quiet, migrations: withBoth });
      expect(countJobs(db)).toBe(20);
      expect(schemaText(db)).toBe(expectedSchemaText(last + 2, withBoth));
      db.close();
      expect(killAt).toBeLessThan(30);
    }
    expect(seen).toEqual(new Set([last, last + 1, last + 2]));
  },
);

/** Migrates in a process of its own, which the n-th fsync kills. The exit code is null if it did. */
function migrateKilled(file: string, killAt: number): number | null {
  const connection = new URL("connection.ts", import.meta.url).href;
  const options = `{ observe() {}, migrations: ${JSON.stringify(withBoth)} }`;
  const code = `import { openFile } from ${JSON.stringify(connection)}; openFile(${JSON.stringify(file)}, ${options}).close()`;
  const [command, ...args] = killedAtSync(killAt);
  return spawnSync(command, [...args, process.execPath, "--input-type=module", "--eval", code]).status;
}

/** Looks at a copy, so that the file is left as the kill left it. */
function versionOf(file: string): unknown {
  copyFileSync(file, `${file}-copy`);
  if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${file}-copy-wal`);
  const db = openDatabase(`${file}-copy`);
  const version = pragma(db, "user_version");
  db.close();
  return version;
}

async function storeWithJobs(file: string): Promise<string> {
  const store = await openSqliteStore(`sqlite:${file}`, small);
  await store.append(newEvents("e", 20));
  await store.close();
  return file;
}

function countJobs(db: Database): number | undefined {
  return query<{ n: number }>(db, "SELECT count(*) AS n FROM job JOIN body USING (seq)").get()?.n;
}
