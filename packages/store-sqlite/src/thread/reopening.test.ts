import { mkdirSync, renameSync } from "node:fs";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createCheckpointer } from "../database/checkpointer.ts";
import { fileMedium } from "../database/medium.ts";
import { tempFolder } from "../testing/temp-folder.ts";
import { createClock } from "../time/clock.ts";
import { createAvailability } from "./availability.ts";
import { createEngine } from "./engine.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** As SQLite reports an fsync that failed. */
const failedSync = Object.assign(new Error("disk I/O error"), { errcode: 1034 });

/** An open store, and how long each try to open it again waited after the failure or the try before, in ms. */
function openAvailability(file: string) {
  const medium = fileMedium(file, { reserveBytes: 0, observe() {} });
  const waits: number[] = [];
  let last = Date.now();
  const clock = createClock(undefined);
  const availability = createAvailability({
    medium,
    connect(lastSeq) {
      waits.push(Date.now() - last);
      last = Date.now();
      const db = medium.open(lastSeq);
      const engine = createEngine(db, { file, clock, deadlines: new Map() });
      return { db, engine, checkpointer: createCheckpointer(db, () => {}) };
    },
    begin: ({ db }) => medium.sign(db, 0),
    changed() {},
  });
  availability.prove();
  const fail = () => {
    waits.length = 0;
    last = Date.now();
    availability.fail(failedSync);
  };
  return { availability, waits, fail };
}

test("a store that does not open again is tried less and less often, and soon again after the next failure", () => {
  using folder = tempFolder();
  mkdirSync(folder.file("data"));
  const { availability, waits, fail } = openAvailability(folder.file("data/events.db"));
  renameSync(folder.file("data"), folder.file("moved"));
  fail();
  for (let tries = 0; tries < 8; tries++) vi.advanceTimersToNextTimer();
  expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(availability.state.kind).toBe("reopening");

  renameSync(folder.file("moved"), folder.file("data"));
  vi.advanceTimersToNextTimer();
  expect(availability.state.kind).toBe("ready");
  fail();
  vi.advanceTimersToNextTimer();
  expect(waits).toEqual([1000]);
  expect(availability.state.kind).toBe("ready");
  availability.close();
});
