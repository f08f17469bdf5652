import { needs } from "@event-ingestion/needs";
import type { Session } from "@event-ingestion/store";
import { expect, test } from "vitest";
import { openSqliteStore } from "../sqlite-store.ts";
import { failingDisk } from "../testing/failing-disk.ts";
import { startStoreProcess } from "../testing/store-process.ts";
import { tempFolder } from "../testing/temp-folder.ts";

test("a process that was killed: nothing accepted is lost, its workers are over, remote ones go on", async () => {
  using folder = tempFolder();
  const url = `sqlite:${folder.file("events.db")}`;
  await using other = startStoreProcess(
    url,
    `const ids = [];
     for (let n = 0; n < 20; n++) ids.push((await store.append([newEvent("e" + n)]))[0].jobId);
     const local = await store.openSession("local", 60_000);
     const remote = await store.openSession("remote", 60_000, "remote");
     await store.claim(local, 2);
     await store.claim(remote, 1);
     say({ ids, local, remote });
     setInterval(() => {}, 1000);`,
  );
  const said: { ids: string[]; local: Session; remote: Session } = JSON.parse(await other.next());
  await other.kill();

  const store = await openSqliteStore(url, { reserveBytes: 0 });
  const [first, second, third, ...rest] = await store.get(said.ids);
  expect([first, second]).toMatchObject([
    { state: "QUEUED", attempts: 1, lastError: "worker lost" },
    { state: "QUEUED", attempts: 1, lastError: "worker lost" },
  ]);
  expect(third).toMatchObject({ state: "RUNNING", attempts: 1 });
  expect(rest.map((job) => job?.state)).toEqual(Array.from({ length: 17 }, () => "QUEUED"));
  expect(await store.heartbeat(said.local)).toMatchObject({ lost: true });
  expect(await store.heartbeat(said.remote)).toMatchObject({ lost: false });
  expect(await store.settle(said.local, [{ jobId: said.ids[0] ?? "", attempt: 1, as: "succeeded" }])).toEqual(
    ["lost"],
  );
  const session = await store.openSession("next", 60_000);
  expect(await store.claim(session, 100)).toHaveLength(19);
  await store.close();
});

/** Runs a command with a disk of 4 MiB mounted on the folder, which nobody else sees. */
const smallDisk = (folder: string): [string, ...string[]] => [
  "unshare",
  "--map-root-user",
  "--mount",
  "sh",
  "-c",
  `mount -t tmpfs -o size=4m tmpfs '${folder}' && exec "$@"`,
  "sh",
];

test(
  "a full disk: nothing is written, reads and lookup go on, and space brings it back",
  needs("mount"),
  async () => {
    using folder = tempFolder();
    const filler = folder.file("filler");
    await using other = startStoreProcess(
      `sqlite:${folder.file("events.db")}`,
      `const fs = await import("node:fs");
     const { setTimeout: sleep } = await import("node:timers/promises");
     fs.writeFileSync(${JSON.stringify(filler)}, new Uint8Array(2 * 1024 * 1024));
     const large = (key) => newEvent(key, { payload: new Uint8Array(50_000) });
     const ids = [];
     let error;
     while (error === undefined && ids.length < 1000) {
       const answer = await store.append([large("e" + ids.length)]).catch((reason) => (error = reason));
       if (error === undefined) ids.push(answer[0].jobId);
     }
     const last = "e" + ids.length;
     const failure = (reason) => ({ outcome: reason.outcome, reason: reason.reason });
     say({ accepted: ids.length, error: failure(error), health: store.health });
     say({
       refused: await store.append([newEvent("small")]).catch(failure),
       found: (await store.get(ids)).every((job) => job !== null),
       reserve: fs.existsSync(${JSON.stringify(folder.file("events.db-reserve"))}),
       lookup: (await store.lookup([large("e0"), large(last)])).map((answer) => answer?.outcome ?? null),
     });
     fs.rmSync(${JSON.stringify(filler)});
     while (!store.health.writable) await sleep(20);
     say({
       again: (await store.append([large("e0"), large(last)])).map(({ outcome }) => outcome),
       reserve: fs.statSync(${JSON.stringify(folder.file("events.db-reserve"))}).size,
     });
     await store.close();`,
      smallDisk(folder.path),
    );
    const full = `the disk of ${folder.file("events.db")} is full`;
    expect(JSON.parse(await other.next())).toMatchObject({
      error: { outcome: "notApplied", reason: "unavailable" },
      health: { writable: false, reason: full },
    });
    expect(JSON.parse(await other.next())).toEqual({
      refused: { outcome: "notApplied", reason: "unavailable" },
      found: true,
      reserve: false,
      lookup: ["DUPLICATE", null],
    });
    expect(JSON.parse(await other.next())).toEqual({ again: ["DUPLICATE", "ACCEPTED"], reserve: 65_536 });
  },
);

test(
  "a failed fsync: the outcome is unknown, the file is opened anew, asking again tells",
  needs("strace"),
  async () => {
    using folder = tempFolder();
    const file = folder.file("events.db");
    await using other = startStoreProcess(
      `sqlite:${file}`,
      `const { setTimeout: sleep } = await import("node:timers/promises");
     const session = await store.openSession("worker", 600_000);
     const ids = [];
     let error;
     while (error === undefined && ids.length < 100) {
       const answer = await store.append([newEvent("e" + ids.length)]).catch((reason) => (error = reason));
       if (error === undefined) ids.push(answer[0].jobId);
     }
     const { outcome, reason } = error;
     const { readFileSync } = await import("node:fs");
     const isMerged = (n) => readFileSync(${JSON.stringify(file)}).includes("payload of e" + n);
     const merged = { answered: isMerged(ids.length - 1), failed: isMerged(ids.length) };
     say({ outcome, reason, health: store.health, read: await store.get([]).catch(({ reason }) => reason), merged });
     while (!store.health.writable) await sleep(20);
     const [again] = await store.append([newEvent("e" + ids.length)]);
     say({
       found: (await store.get([...ids, again.jobId])).every((job) => job !== null),
       claimed: (await store.claim(session, 1000)).length - ids.length,
     });
     await store.close();`,
      failingDisk,
    );
    expect(JSON.parse(await other.next())).toEqual({
      outcome: "unknown",
      reason: "unavailable",
      health: { writable: false, reason: `the disk failed under ${file}` },
      read: "unavailable",
      // SQLite merges the log when it closes it: commits that were synced, and nothing of the one that was not.
      merged: { answered: true, failed: false },
    });
    expect(JSON.parse(await other.next())).toEqual({ found: true, claimed: 1 });
  },
);
