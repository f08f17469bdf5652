import { expect, test, vi } from "vitest";
import { createClock } from "./clock.ts";

function setup() {
  const clockOffset = new SharedArrayBuffer(16);
  const offsets = new BigInt64Array(clockOffset);
  const clock = createClock(clockOffset);
  const times = () => [clock.now(), clock.monotonic()] as const;
  return { clock, times, move: (index: 0 | 1, ms: number) => void Atomics.add(offsets, index, BigInt(ms)) };
}

test("a job that becomes due while a call runs is not due for a part of that call", () => {
  const { clock, times, move } = setup();
  const [wall, monotonic] = times();
  move(0, 5000);
  move(1, 5000);
  expect(times()).toEqual([wall, monotonic]);
  clock.read();
  expect(clock.now() - wall).toBeGreaterThanOrEqual(10_000);
  expect(clock.monotonic() - monotonic).toBeGreaterThanOrEqual(5000);
});

test("the uptime is that of the last reading, so that all clocks tell of one moment", () => {
  const { clock, move } = setup();
  const before = clock.uptime() - clock.monotonic();
  move(0, 60_000);
  clock.read();
  const after = clock.uptime() - clock.monotonic();
  // The system tells its uptime in hundredths of a second, or in whole seconds.
  expect(Math.abs(after - before)).toBeLessThan(2000);
});

test("an offset that is moved in the middle of a reading moves all clocks or none, so that nobody seems to have set one", () => {
  const { clock, move } = setup();
  const ahead = () => clock.now() - clock.monotonic();
  const before = ahead();
  const realNow = performance.now.bind(performance);
  let calls = 0;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => {
    // The second one is made between the readings of the two clocks.
    if (++calls === 2) move(0, 3_600_000);
    return realNow();
  });
  clock.read();
  spy.mockRestore();
  expect(calls).toBeGreaterThanOrEqual(2);
  expect(Math.abs(ahead() - before)).toBeLessThan(1000);
});
