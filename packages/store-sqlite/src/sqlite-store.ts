import { resolve } from "node:path";
import {
  type Appended,
  canonicalId,
  type Caps,
  checkBatch,
  checkKeepMs,
  checkVerdict,
  createHints,
  findViolation,
  invalid,
  type JobStore,
  type NewEvent,
  type Policy,
} from "@event-ingestion/store";
import { fileSystemOf } from "./database/file-system.ts";
import { packEvents, unpackAppended, unpackLeased } from "./operations/event-columns.ts";
import { limits } from "./limits.ts";
import { type Heard, type ThreadLink, startThread } from "./thread/thread-link.ts";
import { readStorePath } from "./store-path.ts";
import type { Observed, ThreadOptions } from "./thread/thread-store.ts";
import { packVerdicts } from "./operations/verdict-columns.ts";

/** How a store is opened. */
export interface SqliteOptions {
  /** Disk space held back in a file beside the database, so that a full disk can be left again. Default 32 MiB; 0: none. */
  reserveBytes?: number;
  /** Hears what an operator should know. Must not throw. Default: nobody does. */
  observe?: (event: SqliteEvent) => void;
  /**
   * For tests only: int64s of milliseconds. The first is added to all clocks of the store at each call, as time that
   * passes; a second one to the wall clock alone, as when somebody sets it.
   */
  clockOffset?: SharedArrayBuffer;
}

/** Nobody knows whether synced data outlives the machine or container here, or whether locks keep other processes out. */
export interface UnsureFileSystem {
  kind: "unsure-file-system";
  file: string;
  /** Such as "nfs", or "overlay" for the layer of a container. */
  name: string;
}

/**
 * - opened: once, with what was found.
 * - check-skipped: the file is so large that it was not read through when it was opened.
 * - migrated: the file was of an earlier version. Earlier programs refuse it from now on.
 * - unsure-file-system: the promises of this store are for local disks.
 */
export type SqliteEvent = Observed | UnsureFileSystem;

/**
 * Opens the store in a file (`sqlite:./data/events.db`, made if it is missing, with its folders) or in memory
 * (`sqlite::memory:`). All of SQLite runs in a thread of its own.
 *
 * @throws StoreError invalid (not such a URL or option), locked (another process has the file), incompatible (not a
 * store, or one of a newer version), corrupt, or unavailable
 */
export async function openSqliteStore(url: string, options: SqliteOptions = {}): Promise<JobStore> {
  const { observe = () => {} } = options;
  const threadOptions = checked(url, options);
  const hints = createHints();
  let health: JobStore["health"] = { writable: true };

  const hear = (message: Heard) => {
    switch (message.kind) {
      case "changed":
        return hints.publish(message);
      case "health":
        return void (health = message.health);
      case "observed":
        return observe(message.event);
      case "ended":
        health = { writable: false, reason: message.reason };
        return hints.close();
    }
  };
  const thread = await startThread(threadOptions, hear);
  const caps = capsOf(threadOptions, observe);

  return {
    caps,
    get health() {
      return health;
    },
    ended: thread.ended,
    async append(batch) {
      checkBatch(batch, limits);
      return unpackAppended(await thread.call("append", packEvents(batch)));
    },
    lookup: (batch) => lookup(thread, batch),
    openSession: (...args) => thread.call("openSession", ...args),
    heartbeat: (session) => thread.call("heartbeat", session),
    claim: async (session, max) => unpackLeased(await thread.call("claim", session, max)),
    async settle(session, verdicts) {
      for (const verdict of verdicts) checkVerdict(verdict);
      return thread.call("settle", session, packVerdicts(verdicts));
    },
    closeSession: (session) => thread.call("closeSession", session),
    get: (ids) => thread.call("get", ids.map(canonicalId)),
    getDetail: (id) => thread.call("getDetail", canonicalId(id)),
    find: (tenant, eventIds) => thread.call("find", tenant, eventIds),
    list: (query) => thread.call("list", query),
    counts: () => thread.call("counts"),
    cancel: (ids) => thread.call("cancel", ids.map(canonicalId)),
    redrive: (ids) => thread.call("redrive", ids.map(canonicalId)),
    maintain: (policy) => maintain(thread, policy),
    exportJobs: (after, limit) => thread.call("exportJobs", after && canonicalId(after), limit),
    importJobs: (jobs) => thread.call("importJobs", jobs),
    hints: (signal) => hints.listen(signal),
    close: () => thread.close(),
  };
}

function checked(url: string, options: SqliteOptions): ThreadOptions {
  const path = readStorePath(url);
  if (path === undefined) throw invalid("a store URL is sqlite:PATH or sqlite::memory:");
  if (path !== "memory" && "problem" in path) throw invalid(`the store URL ${path.problem}`);
  const { reserveBytes = 32 * 1024 * 1024, clockOffset } = options;
  if (!Number.isSafeInteger(reserveBytes) || reserveBytes < 0) {
    throw invalid(`reserveBytes must be a whole number from 0, got ${reserveBytes}`);
  }
  if (clockOffset !== undefined && clockOffset.byteLength !== 8 && clockOffset.byteLength !== 16) {
    throw invalid(`clockOffset must have 8 or 16 bytes, got ${clockOffset.byteLength}`);
  }
  return { file: path === "memory" ? undefined : resolve(path.file), reserveBytes, clockOffset };
}

/** One after the other, so that neither fails with the other. */
async function maintain(thread: ThreadLink, { workerLostLimit, keepMs }: Policy) {
  const [ended] = await Promise.allSettled([thread.call("endSessions", workerLostLimit)]);
  checkKeepMs(keepMs);
  const { pruned, more } = await thread.call("prune", keepMs);
  if (ended.status === "rejected") throw ended.reason;
  const { requeued, died } = ended.value;
  return { requeued, died, pruned, more: more || ended.value.more };
}

/** The answer for an event that breaks a rule is null: no store can hold it. */
async function lookup(thread: ThreadLink, batch: readonly NewEvent[]): Promise<(Appended | null)[]> {
  const isValid = batch.map((event) => findViolation(event, limits) === undefined);
  const valid = batch.filter((_, index) => isValid[index]);
  const answers = (await thread.call("lookup", packEvents(valid))).values();
  return isValid.map((is) => (is ? (answers.next().value ?? null) : null));
}

function capsOf({ file }: ThreadOptions, observe: (event: SqliteEvent) => void): Caps {
  const caps = { exclusive: true, writers: 1, ...limits };
  if (file === undefined) return { durability: "memory", ...caps };
  const fileSystem = fileSystemOf(file);
  if (fileSystem.keeps === "unsure") observe({ kind: "unsure-file-system", file, name: fileSystem.name });
  return { durability: fileSystem.keeps === "nothing" ? "memory" : "fsync", ...caps };
}
