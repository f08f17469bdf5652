import { StoreError } from "@event-ingestion/store";
import { pino } from "pino";
import { expect, test } from "vitest";
import { logUnhandled } from "./log.ts";

/** The line that is logged about an error that nothing handled. */
function lineOf(error: unknown): string {
  const lines: string[] = [];
  logUnhandled(pino({ base: null }, { write: (line: string) => void lines.push(line) }), error);
  return lines.join("");
}

test("of an error that nothing handled our own text is kept, the text of any other may be a payload and is not", () => {
  const own = new StoreError("notApplied", "unavailable", "the disk failed", { cause: new Error("payload") });
  expect(JSON.parse(lineOf(own))).toMatchObject({ level: 60, error: "StoreError", text: "the disk failed" });
  expect(lineOf(own)).not.toContain("payload");

  const system = Object.assign(new Error("payload"), { code: "ENOENT", syscall: "open", path: "payload" });
  expect(JSON.parse(lineOf(system))).toMatchObject({ error: "Error", code: "ENOENT", syscall: "open" });
  for (const error of [system, new Error("payload"), "payload"]) {
    expect(lineOf(error)).not.toContain("payload");
    expect(lineOf(error)).toContain("stopping after an error that nothing handled");
  }
});
