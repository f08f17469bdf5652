import { compressionGzip } from "@connectrpc/connect-node";
import type { Compression } from "@connectrpc/connect/protocol";

/** Messages unpacked at once; zlib has four threads. What comes out of them is not counted yet. */
const concurrency = 8;

/** gzip that shows `unpacked` every message that it decompresses, and unpacks few at once: a small one may get large. */
export function meteredGzip(unpacked: (message: Uint8Array) => void): Compression {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    ...compressionGzip,
    async decompress(bytes, readMaxBytes) {
      if (running < concurrency) running++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        const message = await compressionGzip.decompress(bytes, readMaxBytes);
        unpacked(message);
        return message;
      } finally {
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
  };
}
