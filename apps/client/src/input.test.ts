import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openInput } from "./input.ts";

test("a file has a name and a length, its number in this process is no name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "event-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "orders.csv");
  writeFileSync(path, "a\n1\n");
  await using input = await openInput(path);
  expect(input).toMatchObject({ name: "orders.csv", totalBytes: 4 });
  const descriptor = openSync(path, "r");
  onTestFinished(() => closeSync(descriptor));
  await using numbered = await openInput(`/dev/fd/${descriptor}`);
  expect(numbered).toMatchObject({ name: undefined, totalBytes: 4 });
});

test("what is no regular file has no name", async () => {
  await using input = await openInput("/dev/null");
  expect(input).toMatchObject({ name: undefined, totalBytes: undefined });
});
