import { ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createBatchGate } from "./batch-gate.ts";
import { retryLater } from "../retry-info.ts";
import { maxWaitMs } from "./waiting-room.ts";

/** A room for so many events, in which nothing waits yet. */
function setup(places: number) {
  let now = 0;
  const room = { places, refused: [] as number[], told: 0 };
  const gate = createBatchGate(
    {
      fits: (events) => events <= room.places,
      refuse(events) {
        room.refused.push(events);
        return retryLater("full");
      },
    },
    { maxEvents: 1000, refused: () => room.told++, now: () => now },
  );
  const learn = (events: number) => {
    for (let n = 0; n < 100; n++) gate.arrived(events);
  };
  return { gate, room, learn, pass: (ms: number) => void (now += ms) };
}

test("batches that are still to come count as if they waited, as large as batches lately were", () => {
  const { gate, room, learn } = setup(3500);
  learn(1000);
  for (let n = 0; n < 3; n++) gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
  expect(room.refused.map(Math.round)).toEqual([1000]);
  expect(room.told).toBe(1);
  learn(100);
  for (let n = 0; n < 34; n++) gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
});

test("one that has come in, or was refused, is not to come", () => {
  const { gate, room, learn } = setup(1500);
  learn(1000);
  gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
  gate.arrived(1000);
  gate.enter();
  room.places = 0;
  for (let n = 0; n < 10; n++) expect(() => gate.enter()).toThrow(ConnectError);
  gate.arrived(1000);
  room.places = 1500;
  gate.enter();
});

test("one that takes long to come in keeps nobody out", () => {
  const { gate, learn, pass } = setup(2500);
  learn(1000);
  gate.enter();
  pass(maxWaitMs / 2);
  gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
  pass(maxWaitMs / 2 + 1);
  gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
});

test("before the first batch has come in, all may begin", () => {
  const { gate, room } = setup(1000);
  for (let n = 0; n < 100; n++) gate.enter();
  expect(room.told).toBe(0);
});

test("one that claims more events than a batch may have keeps nobody out", () => {
  const { gate, learn } = setup(8000);
  learn(2_000_000);
  for (let n = 0; n < 8; n++) gate.enter();
  expect(() => gate.enter()).toThrow(ConnectError);
});

test("in a room that is smaller than usual batches, a batch may come again when none has come for a while", () => {
  const { gate, learn, pass } = setup(500);
  learn(1000);
  expect(() => gate.enter()).toThrow(ConnectError);
  pass(1001);
  gate.enter();
});
