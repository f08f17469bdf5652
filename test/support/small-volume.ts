import { appendFileSync, rmSync } from "node:fs";
import type { ServerProcess } from "./server-process.ts";

/** Mounts a small file system in a mount namespace of its own, which goes away with the process: needs no root. */
const mounted = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=64m none "$0" && exec "$@"'];

/** A volume of 64 MiB that one process sees in place of a folder. */
export interface SmallVolume {
  /** The words before the command of that process. */
  wrapper: readonly string[];
  /** Takes all room, also what the process gives up, until it is disposed of. */
  fill: (server: ServerProcess) => Disposable;
}

/** `folder` must exist. */
export function smallVolume(folder: string): SmallVolume {
  return {
    wrapper: [...mounted, folder],
    fill(server) {
      const filler = `/proc/${server.child.pid}/root${folder}/filler`;
      takeAll(filler);
      const timer = setInterval(takeAll, 10, filler);
      return {
        [Symbol.dispose]() {
          clearInterval(timer);
          rmSync(filler);
        },
      };
    },
  };
}

function takeAll(path: string): void {
  for (let size = 1 << 20; size >= 1 << 12;) {
    try {
      appendFileSync(path, Buffer.alloc(size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
      size >>= 4;
    }
  }
}
