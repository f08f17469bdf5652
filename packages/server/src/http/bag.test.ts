import { expect, test } from "vitest";
import { Bag, type Member } from "./bag.ts";

const contents = (bag: Bag<string>) =>
  Array.from(bag, ({ item, value }): [string, number] => [item, value]).toSorted(([a], [b]) =>
    a.localeCompare(b),
  );

test("holds what was added and has not left, in whatever order things leave", () => {
  for (const order of [
    ["a", "b", "c"],
    ["c", "b", "a"],
    ["b", "a", "c"],
    ["b", "c", "a"],
  ]) {
    const bag = new Bag<string>();
    const members = new Map<string, Member<string>>();
    for (const [value, item] of ["a", "b", "c"].entries()) members.set(item, bag.add(item, value));
    const left = new Set(["a", "b", "c"]);
    for (const item of order) {
      members.get(item)?.leave();
      left.delete(item);
      expect(contents(bag).map(([name]) => name)).toEqual([...left]);
    }
  }
});

test("who leaves twice takes nobody along", () => {
  const bag = new Bag<string>();
  const first = bag.add("first", 1);
  bag.add("second", 2);
  first.leave();
  first.leave();
  expect(contents(bag)).toEqual([["second", 2]]);
  bag.add("third", 3).value = 4;
  first.leave();
  expect(contents(bag)).toEqual([
    ["second", 2],
    ["third", 4],
  ]);
});

test("members may leave and come while it is looked through", () => {
  const bag = new Bag<string>();
  const members = ["a", "b", "c"].map((item) => bag.add(item, 0));
  const seen = [];
  for (const member of bag) {
    seen.push(member.item);
    member.leave();
    members[1]?.leave();
    bag.add("new", 0);
  }
  expect(seen).toEqual(["a", "c"]);
  expect(contents(bag)).toEqual([
    ["new", 0],
    ["new", 0],
  ]);
});
