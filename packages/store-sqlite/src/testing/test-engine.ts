import { openMemoryDatabase, type Database } from "../database/driver.ts";
import { migrate } from "../database/schema.ts";
import { createEngine, type Engine } from "../thread/engine.ts";

/** An engine in this thread over a database in memory, with a clock that says what the test wants. */
export function createTestEngine(clock: { now: () => number } = { now: () => 0 }): {
  db: Database;
  engine: Engine;
} {
  const db = openMemoryDatabase();
  migrate(db, 0);
  const { now } = clock;
  const engine = createEngine(db, {
    file: "test",
    clock: { read() {}, now, monotonic: now, uptime: now },
    deadlines: new Map(),
  });
  return { db, engine };
}
