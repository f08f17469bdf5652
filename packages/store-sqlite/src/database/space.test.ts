import { existsSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { tempFolder } from "../testing/temp-folder.ts";
import { severity } from "./errors.ts";
import { explainWrite } from "./space.ts";

const sqliteError = (errcode: number) => Object.assign(new Error("disk I/O error"), { errcode });

test("a failed write where there is room is the disk's fault, and the probe is removed", () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  writeFileSync(file, "");
  const error = sqliteError(778);
  expect(explainWrite(error, file)).toBe(error);
  expect(severity(error)).toBe("suspect");
  expect(existsSync(`${file}-probe`)).toBe(false);
});

test("a failed fsync is never taken for want of space, since what was written may be lost", () => {
  // No room for the probe: its folder is missing.
  const error = sqliteError(1034);
  expect(explainWrite(error, "/nowhere/events.db")).toBe(error);
});
