import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { eventDigest } from "./event-digest.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("the digest is the first half of SHA-256 over the length of the type, the type and the payload", () => {
  const content = Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from("é!"), Buffer.from([1, 0, 255])]);
  const whole = createHash("sha256").update(content).digest();
  expect(Buffer.from(eventDigest("é!", Uint8Array.of(1, 0, 255)))).toEqual(whole.subarray(0, 16));
});

test("type and payload are told apart, wherever the same bytes are cut", () => {
  const digests = [
    eventDigest("", bytes("abc")),
    eventDigest("a", bytes("bc")),
    eventDigest("ab", bytes("c")),
    eventDigest("abc", bytes("")),
  ].map((digest) => Buffer.from(digest).toString("hex"));
  expect(new Set(digests).size).toBe(digests.length);
});
