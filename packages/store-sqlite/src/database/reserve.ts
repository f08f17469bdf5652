import { renameSync, rmSync, statSync } from "node:fs";
import { writeNoise } from "./noise.ts";

/** Disk space held back, so that there is some for checkpoints and retention when the disk is full. */
export interface Reserve {
  /** Takes the space. @throws what the file system says when there is not enough. */
  hold(): void;
  release(): void;
}

/** A reserve of `bytes` beside the database `file`. */
export function createReserve(file: string, bytes: number): Reserve {
  const path = `${file}-reserve`;
  const isHeld = () => statSync(path, { throwIfNoEntry: false })?.size === bytes;
  return {
    hold() {
      if (bytes === 0 || isHeld()) return;
      try {
        writeNoise(`${path}.new`, { bytes });
        renameSync(`${path}.new`, path);
      } catch (error) {
        rmSync(`${path}.new`, { force: true });
        throw error;
      }
    },
    release: () => rmSync(path, { force: true }),
  };
}
