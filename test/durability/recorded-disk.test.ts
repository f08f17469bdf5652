import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { needs } from "@event-ingestion/needs";
import { type JobStore, StoreError } from "@event-ingestion/store";
import { openSqliteStore } from "@event-ingestion/store-sqlite";
import { afterAll, describe, expect, test } from "vitest";
import { seededRandom } from "../support/random.ts";
import { type DiskEvent, type DiskImage, powerCut, record } from "../support/recorded-disk.ts";
import { numberedEvent, type Step } from "../support/recorded-writer.ts";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

// Power cuts, simulated from what the real adapter wrote and synced. After a mere kill -9 everything written is
// still there, so only this shows an answer that was given before its fsync. Each test is preceded by programs that
// are wrong in just that way: a method that does not see them proves nothing.

// Hundreds of stores are opened, each in a thread that loads the same sources.
const compiled = tempDir();
process.env.NODE_COMPILE_CACHE = compiled.path;
afterAll(() => compiled[Symbol.dispose]());

// SEED= takes the same cut and the same survivors; the recording itself differs a little from run to run.
const firstSeed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const images = Number(process.env.IMAGES ?? (process.env.SEED === undefined ? 200 : 1));

/** Commits of one and of several calls, of small and of large events, the log moved at a close and when idle. */
const life: Step[] = [
  ...appends(0, 40),
  "settle",
  ...appends(100, 20),
  "reopen",
  ...appends(200, 20),
  "idle",
  ...appends(300, 20),
  "settle",
];

describe(
  `power cuts of a recorded disk (SEED=${firstSeed})`,
  { ...needs("strace"), timeout: 180_000 },
  () => {
    test.each([
      { what: "answers before the commit", steps: promisedEarly(60), env: {} },
      { what: "never syncs", steps: life, env: { MUTANT: "synchronous=OFF" } },
      { what: "syncs only at checkpoints", steps: life, env: { MUTANT: "synchronous=NORMAL" } },
    ])("a store that $what is caught", async ({ steps, env }) => {
      using dir = tempDir();
      const events = live(dir.path, { steps, env });
      expect(await brokenImages(dir.path, { events, count: 200, enough: 1 })).not.toEqual([]);
    });

    test(`every promise is kept in ${images} images`, async () => {
      using dir = tempDir();
      const events = live(dir.path, { steps: life });
      expect(events.filter(({ kind }) => kind === "promise").length).toBeGreaterThan(200);
      expect(await brokenImages(dir.path, { events, count: images })).toEqual([]);
    });

    // The kill leaves a commit written and not synced. The next life must not confirm it before it has been synced.
    test("a store that opens without syncing what it finds is caught", async () => {
      using dir = tempDir();
      const { events, from } = twoLives(dir.path, { killAt: 28 });
      const opened = events.findIndex(({ kind }, index) => index >= from && kind === "promise");
      const mutant = events.filter(({ kind }, index) => kind !== "sync" || index < from || index > opened);
      expect(await brokenImages(dir.path, { events: mutant, from, count: 200, enough: 1 })).not.toEqual([]);
    });

    test.each([20, 28, 36])("killed at fsync %i: what the next life confirms is safe", async (killAt) => {
      using dir = tempDir();
      const { events, from } = twoLives(dir.path, { killAt });
      expect(await brokenImages(dir.path, { events, from, count: Math.ceil(images / 5) })).toEqual([]);
    });
  },
);

/** Calls of one to five events each; every third step has three calls under way together. */
function appends(first: number, steps: number): Step[] {
  let next = first;
  const call = (count: number) => Array.from({ length: count }, () => next++);
  return Array.from({ length: steps }, (_, index) => ({
    append: index % 3 === 0 ? [call(1), call(2), call(1)] : [call(1 + (index % 5))],
  }));
}

function promisedEarly(count: number): Step[] {
  return Array.from({ length: count }, (_, number) => ({ promiseEarly: [number] }));
}

interface Life {
  steps: readonly Step[];
  inject?: string;
  env?: Record<string, string>;
}

/** What one process does to the store in `dir`. */
function live(dir: string, { steps, inject, env = {} }: Life): DiskEvent[] {
  const folder = join(dir, "store");
  const ledger = join(dir, "ledger");
  mkdirSync(folder, { recursive: true });
  const mutants = env.MUTANT === undefined ? [] : ["--import", `${root}test/support/mutants.ts`];
  const program = [process.execPath, ...mutants, `${root}test/support/recorded-writer.ts`];
  return record([...program, `sqlite:${folder}/events.db`, ledger, JSON.stringify(steps)], {
    folder,
    files: ["events.db", "events.db-wal", "events.db-journal", "events.db-info"],
    ledger,
    output: join(dir, "strace"),
    env,
    ...(inject !== undefined && { inject }),
  });
}

/** Killed at its n-th fsync; then a second process looks up every event, the one that was under way first. */
function twoLives(dir: string, { killAt }: { killAt: number }) {
  const numbers = Array.from({ length: 40 }, (_, number) => number);
  const first = live(dir, { steps: singles(numbers), inject: `fsync:signal=SIGKILL:when=${killAt}` });
  const stored = first.filter(({ kind }) => kind === "promise").length;
  expect(stored).toBeGreaterThan(0);
  expect(stored).toBeLessThan(numbers.length);
  const lookUp = numbers.slice(0, stored + 1).toReversed();
  const second = live(dir, { steps: [{ lookUp }, ...singles([1000, 1001, 1002])] });
  expect(second.filter(({ kind }) => kind === "promise")).toHaveLength(lookUp.length + 3);
  return { events: [...first, ...second], from: first.length };
}

function singles(numbers: readonly number[]): Step[] {
  return numbers.map((number) => ({ append: [[number]] }));
}

interface Cuts {
  events: readonly DiskEvent[];
  /** No cut before this event. */
  from?: number;
  count: number;
  /** Stops at this many. */
  enough?: number;
}

/** Of images of the disk at random moments, those that break a promise, with their seeds. */
async function brokenImages(dir: string, { events, from = 0, count, enough = 10 }: Cuts): Promise<string[]> {
  const broken: string[] = [];
  let next = firstSeed;
  const work = async () => {
    while (next < firstSeed + count && broken.length < enough) {
      const seed = next++;
      const random = seededRandom(seed);
      const cut = from + Math.floor(random() * (events.length - from + 1));
      const problem = await check(powerCut(events, cut, random), join(dir, `image-${seed}`));
      if (problem !== undefined)
        broken.push(`SEED=${seed}, cut at event ${cut} of ${events.length}: ${problem}`);
    }
  };
  // Each opening is a thread's start.
  await Promise.all([work(), work(), work()]);
  return broken;
}

/** Opens the image and compares; answers with what is wrong. */
async function check({ files, promises }: DiskImage, folder: string): Promise<string | undefined> {
  mkdirSync(folder);
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  try {
    const store = await openSqliteStore(`sqlite:${folder}/events.db`, { reserveBytes: 0 });
    try {
      return await firstBroken(promises, store);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return `it cannot be read: ${error.message}`;
  }
}

async function firstBroken(promises: DiskImage["promises"], store: JobStore): Promise<string | undefined> {
  const stored = new Map<number, string | undefined>();
  const settled: string[] = [];
  for (const promise of promises) {
    const [what, subject = "", jobId] = promise.split(" ");
    if (what === "settled") settled.push(subject);
    else stored.set(Number(subject), jobId);
  }
  const numbers = Array.from(stored.keys());
  const found = await store.lookup(numbers.map(numberedEvent));
  for (const [index, number] of numbers.entries()) {
    const { outcome, jobId } = found[index] ?? { outcome: "lost" };
    const promised = stored.get(number) ?? jobId;
    if (outcome !== "DUPLICATE" || jobId !== promised) return `event ${number} is ${outcome}`;
  }
  const jobs = await store.get(settled);
  const undone = jobs.find((job) => job?.state !== "SUCCEEDED");
  return undone === undefined ? undefined : `job ${undone?.jobId} is ${undone?.state} again`;
}
