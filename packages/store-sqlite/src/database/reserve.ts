import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";

/** Disk space held back, so that there is some for checkpoints and retention when the disk is full. */
export interface Reserve {
  /** Takes the space. @throws what the file system says when there is not enough. */
  hold(): void;
  release(): void;
}

const chunkBytes = 1024 * 1024;

/** A reserve of `bytes` beside the database `file`. */
export function createReserve(file: string, bytes: number): Reserve {
  const path = `${file}-reserve`;
  const isHeld = () => statSync(path, { throwIfNoEntry: false })?.size === bytes;
  return {
    hold() {
      if (bytes === 0 || isHeld()) return;
      try {
        fill(`${path}.new`, bytes);
        renameSync(`${path}.new`, path);
      } catch (error) {
        rmSync(`${path}.new`, { force: true });
        throw error;
      }
    },
    release: () => rmSync(path, { force: true }),
  };
}

/** Noise, since neither a hole nor zeros on a file system that compresses take any space. */
function fill(path: string, bytes: number): void {
  const chunk = randomBytes(chunkBytes);
  const descriptor = openSync(path, "w");
  try {
    let left = bytes;
    while (left > 0) left -= writeSync(descriptor, chunk, 0, Math.min(left, chunkBytes));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
