import { expect, test } from "vitest";
import { membersOf, textOf } from "./json-members.ts";

test.each<[string, [string, string][]]>([
  ["{}", []],
  [" { } ", []],
  ['{"a":1.0}', [["a", "1.0"]]],
  [
    '{ "a" : 18446744073709551616 , "b" : null }',
    [
      ["a", "18446744073709551616"],
      ["b", "null"],
    ],
  ],
  [
    '{"a":"x,}\\\\","b":"\\"{"}',
    [
      ["a", '"x,}\\\\"'],
      ["b", '"\\"{"'],
    ],
  ],
  [
    '{"a":{"a":[1,{"b":"]"}]},"c":[]}',
    [
      ["a", '{"a":[1,{"b":"]"}]}'],
      ["c", "[]"],
    ],
  ],
  [
    '{"a":1,"\\u0061":2}',
    [
      ["a", "1"],
      ["a", "2"],
    ],
  ],
  [
    '{"a\\":\\\\":"", "":{}}',
    [
      ['a":\\', '""'],
      ["", "{}"],
    ],
  ],
  ['{"__proto__":1}', [["__proto__", "1"]]],
])("%s", (text, members) => {
  // What is tested must be JSON.
  JSON.parse(text);
  expect(membersOf(text)).toEqual(members);
});

test("a string is its text, anything else as it is written", () => {
  expect(['"a\\n"', "1.0", "null", '{"a" : 1}'].map(textOf)).toEqual(["a\n", "1.0", "null", '{"a" : 1}']);
});
