import type { Verdict } from "./job-store.ts";
import { invalid } from "./store-error.ts";

const maxErrorBytes = 4096;
const maxResultBytes = 64 * 1024;

/** The errors that are kept of a job: those among so many of its last attempts, counted from the newest failure. */
export const keptErrors = 20;

/** @throws StoreError notApplied/invalid if it breaks a rule */
export function checkVerdict(verdict: Verdict): void {
  if (verdict.as === "retry" && !Number.isFinite(verdict.delayMs)) {
    throw invalid(`delayMs must be a number of milliseconds, got ${verdict.delayMs}`);
  }
  const bytes = verdict.as === "succeeded" ? (verdict.result?.byteLength ?? 0) : 0;
  if (bytes > maxResultBytes) {
    throw invalid(`a result has at most ${maxResultBytes} bytes, got ${bytes}`);
  }
}

/** What is kept of an error: whole characters of at most 4,096 bytes, without what the text of SQL cannot hold. */
export function keptError(error: string): string {
  const text = error.replaceAll("\0", "").toWellFormed();
  if (text.length * 3 <= maxErrorBytes) return text;
  const bytes = Buffer.from(text);
  let end = Math.min(bytes.length, maxErrorBytes);
  // A byte 10xxxxxx continues a character.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
