import { type Database, pragma, query } from "./driver.ts";

const eagerBytes = 16 * 1024 * 1024;
const idleMs = 1000;

/** Moves commits from the write-ahead log into the database file: at a size, and when nothing else goes on. */
export interface Checkpointer {
  /** After each commit. Answers with what the log still holds, in bytes. @throws SQLite's error */
  committed(): number;
  /** Moves what it can, now. @throws SQLite's error */
  run(): number;
  stop(): void;
}

/** `failed` hears what goes wrong while nobody calls. */
export function createCheckpointer(db: Database, failed: (error: unknown) => void): Checkpointer {
  const pageBytes = Number(pragma(db, "page_size"));
  let timer: NodeJS.Timeout | undefined;
  let lastBytes = 0;

  const pending = (mode: "NOOP" | "PASSIVE") => checkpoint(db, mode).pendingPages * pageBytes;
  const run = () => pending("PASSIVE");
  const idle = () => {
    try {
      run();
    } catch (error) {
      failed(error);
    }
  };
  return {
    committed() {
      const bytes = pending("NOOP");
      // A transaction without changes, such as a claim of nothing, does not count as work.
      if (bytes === lastBytes) return bytes;
      lastBytes = bytes;
      timer = timer?.refresh() ?? setTimeout(idle, idleMs);
      return bytes > eagerBytes ? run() : bytes;
    },
    run,
    stop: () => clearTimeout(timer),
  };
}

/** Moves what the write-ahead log holds into the database file, which is fsynced. "NOOP" only looks (before SQLite 3.51: moves too). */
export function checkpoint(
  db: Database,
  mode: "NOOP" | "PASSIVE" | "TRUNCATE",
): { isBusy: boolean; pendingPages: number } {
  const row = query<{ busy: number; log: number; checkpointed: number }>(
    db,
    `PRAGMA wal_checkpoint(${mode})`,
  ).get();
  return row === undefined
    ? { isBusy: true, pendingPages: 0 }
    : { isBusy: row.busy !== 0, pendingPages: row.log - row.checkpointed };
}
