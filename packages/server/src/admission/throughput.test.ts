import { expect, test } from "vitest";
import { createThroughput } from "./throughput.ts";

function setup(caps = { maxBatch: 1000, writers: 1 }) {
  let now = 0;
  const pace = createThroughput(caps, () => now);
  const pass = (ms: number) => void (now += ms);
  const call = (events: number, ms: number) => {
    const end = pace.begin(events);
    pass(ms);
    end();
  };
  return { pace, pass, call };
}

test("without a measurement there is no bound", () => {
  expect(setup().pace.eventsPerMs()).toBe(Infinity);
});

test("full calls decide, the latest most; small ones hardly count", () => {
  const { pace, call } = setup();
  for (let n = 0; n < 30; n++) call(1000, 10);
  expect(pace.eventsPerMs()).toBeCloseTo(100, 0);
  for (let n = 0; n < 10; n++) call(1, 1);
  expect(pace.eventsPerMs()).toBeCloseTo(100, 0);
  for (let n = 0; n < 30; n++) call(1000, 40);
  expect(pace.eventsPerMs()).toBeCloseTo(25, 0);
});

test("a call that does not end slows the pace before it has ended", () => {
  const { pace, pass, call } = setup();
  for (let n = 0; n < 30; n++) call(1000, 10);
  const end = pace.begin(10);
  pass(5000);
  expect(pace.eventsPerMs()).toBeCloseTo(0.2);
  end();
  expect(pace.eventsPerMs()).toBeGreaterThan(40);
});

test("several writers are as much faster", () => {
  const { pace, call } = setup({ maxBatch: 1000, writers: 4 });
  for (let n = 0; n < 30; n++) call(1000, 10);
  expect(pace.eventsPerMs()).toBeCloseTo(400, 0);
});
