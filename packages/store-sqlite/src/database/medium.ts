import { type CheckSkipped, openFile, openMemory } from "./connection.ts";
import type { Database } from "./driver.ts";
import { writeLockInfo } from "./lock-info.ts";
import { type Reserve, createReserve } from "./reserve.ts";

/** Where the tables live. */
export interface Medium {
  /** How messages name it. */
  readonly name: string;
  open(): Database;
  /** Says who has it open, for the next who tries. */
  sign(now: number): void;
  readonly reserve: Reserve;
}

/** A file, with its write-ahead log and its reserve beside it. */
export function fileMedium(
  file: string,
  { reserveBytes, observe }: { reserveBytes: number; observe: (event: CheckSkipped) => void },
): Medium {
  return {
    name: file,
    open: () => openFile(file, observe),
    sign: (now) => writeLockInfo(file, now),
    reserve: createReserve(file, reserveBytes),
  };
}

/** Memory: gone with the process. */
export const memoryMedium: Medium = {
  name: ":memory:",
  open: openMemory,
  sign() {},
  reserve: { hold() {}, release() {} },
};
