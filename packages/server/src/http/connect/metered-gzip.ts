import { compressionGzip } from "@connectrpc/connect-node";
import type { Compression } from "@connectrpc/connect/protocol";

/** Messages decompressed at once; zlib has four threads. Their output does not count in the budget yet. */
const concurrency = 8;

/** gzip that passes every decompressed message to `unpacked`, and decompresses few at once: a small message may become large. */
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
