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
  const look = prepareCheckpoint(db, "NOOP");
  const move = prepareCheckpoint(db, "PASSIVE");
  let timer: NodeJS.Timeout | undefined;
  let lastBytes = 0;

  const run = () => move().pendingPages * pageBytes;
  const idle = () => {
    try {
      run();
    } catch (error) {
      failed(error);
    }
  };
  return {
    committed() {
      const bytes = look().pendingPages * pageBytes;
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

/** The result of a checkpoint. */
interface Checkpointed {
  isBusy: boolean;
  /** Pages that the log still holds. */
  pendingPages: number;
}

/** Moves what the write-ahead log holds into the database file, which is fsynced. "NOOP" only looks (before SQLite 3.51: moves too). */
export function prepareCheckpoint(db: Database, mode: "NOOP" | "PASSIVE" | "TRUNCATE"): () => Checkpointed {
  const statement = query<{ busy: number; log: number; checkpointed: number }>(
    db,
    `PRAGMA wal_checkpoint(${mode})`,
  );
  return () => {
    const row = statement.get();
    return row === undefined
      ? { isBusy: true, pendingPages: 0 }
      : { isBusy: row.busy !== 0, pendingPages: row.log - row.checkpointed };
  };
}
