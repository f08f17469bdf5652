import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";

const chunkBytes = 1024 * 1024;

/**
 * Writes a file with `bytes` of noise from the place `at` on, and fsyncs it. It must be noise: a hole takes no space, nor do zeros
 * on a file system that compresses.
 */
export function writeNoise(path: string, { bytes, at = 0 }: { bytes: number; at?: number }): void {
  const chunk = randomBytes(chunkBytes);
  const descriptor = openSync(path, "w");
  try {
    for (let done = 0; done < bytes;) {
      done += writeSync(descriptor, chunk, 0, Math.min(bytes - done, chunkBytes), at + done);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
