import { expect, test } from "vitest";
import { createHints } from "./hints.ts";

const ids = (count: number) => Array.from({ length: count }, (_, index) => `job-${index}`);

function setup() {
  const hints = createHints();
  const listener = hints.listen(new AbortController().signal)[Symbol.asyncIterator]();
  return { hints, next: async (): Promise<unknown> => (await listener.next()).value };
}

test("up to 10,000 ids wait for a listener", async () => {
  const { hints, next } = setup();
  hints.publish({ work: false, jobs: ids(4000) });
  hints.publish({ work: false, jobs: ids(6000) });
  expect(await next()).toEqual([...ids(4000), ...ids(6000)]);
});

test("a listener that misses ids is told to ask for all, and then hears ids again", async () => {
  const { hints, next } = setup();
  hints.publish({ work: true, jobs: ids(1) });
  hints.publish({ work: false, jobs: ids(10_000) });
  hints.publish({ work: false, jobs: ids(2) });
  expect([await next(), await next()]).toEqual(["work", "all"]);
  hints.publish({ work: false, jobs: ids(10_001) });
  expect(await next()).toBe("all");
  hints.publish({ work: false, jobs: ids(3) });
  expect(await next()).toEqual(ids(3));
});

test("a store that does not know what changed says so", async () => {
  const { hints, next } = setup();
  hints.publish({ work: false, jobs: ids(1), all: true });
  expect(await next()).toBe("all");
});
