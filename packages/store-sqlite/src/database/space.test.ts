import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { tempFolder } from "../testing/temp-folder.ts";
import { severity } from "./errors.ts";
import { explainWrite } from "./space.ts";

const sqliteError = (errcode: number) => Object.assign(new Error("disk I/O error"), { errcode });
const failedWrite = sqliteError(778);
const failedSync = sqliteError(1034);

test("a failed write where there is room is the disk's fault, and the probe is removed", () => {
  using folder = tempFolder();
  const file = folder.file("events.db");
  writeFileSync(file, "");
  expect(explainWrite(failedWrite, file)).toBe(failedWrite);
  expect(severity(failedWrite)).toBe("suspect");
  expect(existsSync(`${file}-probe`)).toBe(false);
});

test(
  "where there is no room, a failed write is no fault of the disk; a failed fsync is, since what was written may be lost",
  needs("/dev/full"),
  () => {
    using folder = tempFolder();
    const file = folder.file("events.db");
    symlinkSync("/dev/full", `${file}-probe`);
    expect(explainWrite(failedSync, file)).toBe(failedSync);
    const found = explainWrite(failedWrite, file);
    expect(found).toMatchObject({ code: "ENOSPC" });
    expect(severity(found)).toBe("stalled");
  },
);
