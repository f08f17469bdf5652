import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { relative } from "node:path";
import { StoreError } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { prepareCheckpoint } from "./checkpointer.ts";
import { openFile } from "./connection.ts";
import { openDatabase, pragma } from "./driver.ts";
import { fileSystemOf } from "./file-system.ts";
import { openSqliteStore, type SqliteEvent } from "../sqlite-store.ts";
import { newEvent, newEvents } from "../testing/new-event.ts";
import { startStoreProcess } from "../testing/store-process.ts";
import { tempFolder } from "../testing/temp-folder.ts";

const small = { reserveBytes: 0 };
const quiet = { observe() {} };

/** A closed store with some jobs. */
async function closedStore(file: string, jobs = 1): Promise<void> {
  const store = await openSqliteStore(`sqlite:${file}`, small);
  await store.append(newEvents("e", jobs));
  await store.close();
}

async function refusal(file: string): Promise<StoreError> {
  const error: unknown = await openSqliteStore(`sqlite:${file}`, small).then(
    (store) => store.close(),
    (reason: unknown) => reason,
  );
  if (!(error instanceof StoreError)) throw new Error("it opened", { cause: error });
  return error;
}

test("makes missing folders and says how durable it is", async () => {
  using folder = tempFolder();
  const store = await openSqliteStore(`sqlite:${folder.file("a/b/events.db")}`, small);
  const durability = fileSystemOf(folder.path).keeps === "nothing" ? "memory" : "fsync";
  expect(store.caps).toMatchObject({ durability, exclusive: true, writers: 1 });
  expect(existsSync(folder.file("a/b/events.db"))).toBe(true);
  await store.close();
  const memory = await openSqliteStore("sqlite::memory:");
  expect(memory.caps.durability).toBe("memory");
  await memory.close();
});

test.each(["", "sqlite:", "sqlite:x.db?mode=rwc", "postgres://user:secret@host/db", "events.db"])(
  "%j is no URL of a store",
  async (url) => {
    const opening = openSqliteStore(url);
    await expect(opening).rejects.toMatchObject({ outcome: "notApplied", reason: "invalid" });
    await expect(opening).rejects.not.toThrow("secret");
  },
);

test.each([{ reserveBytes: -1 }, { reserveBytes: 1.5 }, { clockOffset: new SharedArrayBuffer(4) }])(
  "refuses the options %o",
  async (options) => {
    await expect(openSqliteStore("sqlite::memory:", options)).rejects.toMatchObject({ reason: "invalid" });
  },
);

test("the pragmas that durability rests on are in force", () => {
  using folder = tempFolder();
  const db = openFile(folder.file("events.db"), quiet);
  expect(pragma(db, "locking_mode")).toBe("exclusive");
  expect(pragma(db, "journal_mode")).toBe("wal");
  expect(pragma(db, "synchronous")).toBe(2);
  expect(pragma(db, "wal_autocheckpoint")).toBe(0);
  expect(pragma(db, "mmap_size")).toBe(0);
  db.close();
});

test("says whether there was a store, and how much it holds", async () => {
  using folder = tempFolder();
  const events: SqliteEvent[] = [];
  const observe = (event: SqliteEvent) => event.kind === "opened" && events.push(event);
  const file = folder.file("events.db");
  for (let time = 0; time < 2; time++) {
    const store = await openSqliteStore(`sqlite:${relative(process.cwd(), file)}`, { ...small, observe });
    await store.append(newEvents("e", 3));
    await store.close();
  }
  expect(events).toEqual([
    { kind: "opened", file, isNew: true, jobs: 0 },
    { kind: "opened", file, isNew: false, jobs: 3 },
  ]);
});

test("a second opener is told who has the store: in this process and in another", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const store = await openSqliteStore(`sqlite:${file}`, small);
  expect(await refusal(file)).toMatchObject({ outcome: "notApplied", reason: "locked" });
  expect((await refusal(file)).message).toMatch(
    `store ${file} is in use by this process (pid ${process.pid} on `,
  );
  await store.close();

  await using other = startStoreProcess(`sqlite:${file}`, "say('open'); setInterval(() => {}, 1000);");
  expect(await other.next()).toBe('"open"');
  expect((await refusal(file)).message).toMatch(
    new RegExp(
      `in use by another process \\(pid ${other.child.pid} on .+ since \\d{4}-\\d{2}-\\d{2}T.+Z\\)$`,
    ),
  );
  await other.kill();
  // The lock ends with its holder, however it ended.
  await (await openSqliteStore(`sqlite:${file}`, small)).close();
});

test("an empty or missing database beside an info file is a loss, not a beginning", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  rmSync(file);
  expect(await refusal(file)).toMatchObject({ reason: "corrupt" });
  expect(existsSync(file)).toBe(false);
  writeFileSync(file, "");
  expect((await refusal(file)).message).toContain(`${file} is empty or missing`);
  expect(readFileSync(file)).toHaveLength(0);
});

test("a database without tables beside an info file is a loss too", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  rmSync(file);
  const db = openDatabase(file);
  pragma(db, "journal_mode = wal");
  db.close();
  expect(await refusal(file)).toMatchObject({ reason: "corrupt" });
});

test("an empty file alone is a beginning", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  writeFileSync(file, "");
  await closedStore(file);
  expect(readFileSync(`${file}-info`, "utf8")).toMatch(/^pid \d+ on .+ since .+Z\n$/);
});

test("a store that was not closed is refused without its log, by name, until there is one", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await using other = startStoreProcess(
    `sqlite:${file}`,
    `await store.append([newEvent("first")]); say("open"); setInterval(() => {}, 1000);`,
  );
  expect(await other.next()).toBe('"open"');
  await other.kill();
  renameSync(`${file}-wal`, folder.file("log"));
  for (let time = 0; time < 2; time++) {
    const { reason, message } = await refusal(file);
    expect(reason).toBe("corrupt");
    expect(message).toContain(`${file} was not closed, and its log ${file}-wal is missing`);
    expect(existsSync(`${file}-wal`)).toBe(false);
  }

  renameSync(folder.file("log"), `${file}-wal`);
  const store = await openSqliteStore(`sqlite:${file}`, small);
  expect(await store.find("", ["first"])).not.toContain(null);
  await store.close();
});

test.each([
  ["calls process.exit", "process.exit(3)", 3],
  ["ends with an error", "setImmediate(() => { throw new Error('nobody catches this') })", 1],
])("a process that %s leaves a store that opens again with all it held", async (_how, exit, code) => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await using other = startStoreProcess(
    `sqlite:${file}`,
    `await store.append([newEvent("first")]); say("stored"); ${exit};`,
  );
  expect(await other.next()).toBe('"stored"');
  if (other.child.exitCode === null) await once(other.child, "exit");
  expect(other.child.exitCode).toBe(code);
  expect(existsSync(`${file}-exited`)).toBe(true);
  const store = await openSqliteStore(`sqlite:${file}`, small);
  expect(await store.find("", ["first"])).not.toContain(null);
  expect(existsSync(`${file}-exited`)).toBe(false);
  await store.close();
});

test("a log that is lost after a process has exited and another was killed is missed", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  for (const end of ["process.exit(3)", "setInterval(() => {}, 1000)"]) {
    await using other = startStoreProcess(
      `sqlite:${file}`,
      `await store.append([newEvent(${JSON.stringify(end)})]); say("stored"); ${end};`,
    );
    expect(await other.next()).toBe('"stored"');
    if (end.startsWith("process.exit") && other.child.exitCode === null) await once(other.child, "exit");
  }
  rmSync(`${file}-wal`);
  expect(await refusal(file)).toMatchObject({ reason: "corrupt" });
});

test("a refused store that is given an empty log, as the message says, opens without what its log held", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await using other = startStoreProcess(
    `sqlite:${file}`,
    `await store.append([newEvent("first")]); say("open"); setInterval(() => {}, 1000);`,
  );
  expect(await other.next()).toBe('"open"');
  copyFileSync(file, folder.file("copy.db"));
  const { message } = await refusal(folder.file("copy.db"));
  execFileSync("sh", ["-c", /touch '.*'$/.exec(message)?.[0] ?? "false"]);
  await (await openSqliteStore(`sqlite:${folder.file("copy.db")}`, small)).close();
});

test("a copy opens: of a closed store, and of both files of an open one", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  copyFileSync(file, folder.file("closed.db"));
  await (await openSqliteStore(`sqlite:${folder.file("closed.db")}`, small)).close();

  const store = await openSqliteStore(`sqlite:${file}`, small);
  await store.append([newEvent("second")]);
  copyFileSync(file, folder.file("open.db"));
  copyFileSync(`${file}-wal`, folder.file("open.db-wal"));
  await store.close();
  const copy = await openSqliteStore(`sqlite:${folder.file("open.db")}`, small);
  expect(await copy.find("", ["second"])).not.toContain(null);
  await copy.close();
});

test("a file that is no database is named and left as it was", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const text = "this is not a database, ".repeat(100);
  writeFileSync(file, text);
  expect(await refusal(file)).toMatchObject({ reason: "corrupt" });
  expect((await refusal(file)).message).toContain(file);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("a database of another program is named and left as it was", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const db = openDatabase(file);
  db.exec("CREATE TABLE theirs(a); INSERT INTO theirs VALUES (1)");
  db.close();
  const before = readFileSync(file);
  expect(await refusal(file)).toMatchObject({ reason: "incompatible" });
  expect((await refusal(file)).message).toBe(`${file} is a database of another program`);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a folder, and a path below a file, cannot be opened", async () => {
  using folder = tempFolder();
  mkdirSync(folder.file("events.db"));
  expect(await refusal(folder.file("events.db"))).toMatchObject({ reason: "unavailable" });
  writeFileSync(folder.file("plain"), "");
  expect((await refusal(folder.file("plain/events.db"))).message).toMatch(
    /events\.db failed \(ENOTDIR|EEXIST\)/,
  );
});

test("a newer store is refused with both versions", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  const db = openDatabase(file);
  pragma(db, "user_version = 7");
  db.close();
  expect(await refusal(file)).toMatchObject({ outcome: "notApplied", reason: "incompatible" });
  expect((await refusal(file)).message).toContain("schema version 7, this program knows versions up to 2");
});

test("a store of version 1, which was never released, is refused by name", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  const db = openDatabase(file);
  pragma(db, "user_version = 1");
  db.close();
  expect(await refusal(file)).toMatchObject({ reason: "incompatible" });
  expect((await refusal(file)).message).toContain("schema version 1, which was never released");
});

test("other table definitions are damage", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file);
  const db = openDatabase(file);
  db.exec("DROP INDEX job_due");
  db.close();
  expect(await refusal(file)).toMatchObject({ reason: "corrupt" });
  expect((await refusal(file)).message).toContain("table definitions");
});

test("a truncated file is damage", async () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  await closedStore(file, 1000);
  truncateSync(file, Math.floor(readFileSync(file).length / 8192) * 4096);
  const { reason, message } = await refusal(file);
  expect(reason).toBe("corrupt");
  expect(message).toContain(file);
  expect(message).not.toContain("\n");
});

test("what the log of a killed process holds is in the file before anything is said about it", () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  const first = openFile(file, quiet);
  first.exec("INSERT INTO meta(k, v) VALUES(99, 1)");
  expect(prepareCheckpoint(first, "NOOP")().pendingPages).toBeGreaterThan(0);
  // A copy of both files is what a kill leaves behind.
  writeFileSync(folder.file("copy.db"), readFileSync(file));
  writeFileSync(folder.file("copy.db-wal"), readFileSync(`${file}-wal`));
  first.close();

  const second = openFile(folder.file("copy.db"), quiet);
  expect(prepareCheckpoint(second, "NOOP")().pendingPages).toBe(0);
  expect(readFileSync(folder.file("copy.db-wal"))).toHaveLength(0);
  expect(second.prepare("SELECT v FROM meta WHERE k = 99").get()).toMatchObject({ v: 1 });
  second.close();
});
