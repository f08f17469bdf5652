import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { usageFailure } from "./failure.ts";

/** A file that is read from its beginning. */
export interface Input extends AsyncDisposable {
  chunks: Readable & AsyncIterable<Buffer>;
  /** Of the file, without its folder; undefined for stdin and pipes, which have none. */
  name: string | undefined;
  /** Undefined: unknown. */
  totalBytes: number | undefined;
  bytesRead: () => number;
}

/** `path` may be "-" for stdin. */
export async function openInput(path: string): Promise<Input> {
  if (path === "-") {
    return {
      chunks: process.stdin,
      name: undefined,
      totalBytes: undefined,
      bytesRead: () => 0,
      async [Symbol.asyncDispose]() {
        process.stdin.destroy();
      },
    };
  }
  const handle = await open(path);
  const stats = await handle.stat();
  if (stats.isDirectory()) {
    await handle.close();
    throw usageFailure(`${path} is a folder`, "name a file, or - for stdin");
  }
  const stream = handle.createReadStream({ autoClose: false, highWaterMark: 256 * 1024 });
  return {
    chunks: stream,
    // The files of these folders are numbers that the next run gets for another file.
    name: stats.isFile() && !/^\/(dev|proc)\//.test(path) ? basename(path) : undefined,
    totalBytes: stats.isFile() ? stats.size : undefined,
    bytesRead: () => stream.bytesRead,
    async [Symbol.asyncDispose]() {
      stream.destroy();
      await handle.close();
    },
  };
}

/** All of a small input as text. @throws Failure if it is not UTF-8 */
export async function readText(path: string): Promise<string> {
  await using input = await openInput(path);
  const parts: Buffer[] = [];
  for await (const part of input.chunks) parts.push(part);
  const bytes = Buffer.concat(parts);
  if (isUtf8(bytes)) return bytes.toString("utf8");
  const name = path === "-" ? "stdin" : path;
  throw usageFailure(`${name} is not UTF-8`, "a payload is text; encode other bytes, as base64 for example");
}
