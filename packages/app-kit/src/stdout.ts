import { writevSync } from "node:fs";

/** No reader takes anything at the moment, or the disk is full. */
const notNow: ReadonlySet<unknown> = new Set(["EAGAIN", "ENOSPC", "EDQUOT"]);

/**
 * Writes to stdout what it takes at once, and gives the bytes of that; 0 while it takes nothing.
 *
 * @throws what the system says if stdout takes nothing any more, for example because its reader has gone
 */
export function writeToStdout(pieces: readonly Uint8Array[]): number {
  refuseToWait(process.stdout);
  try {
    return writevSync(process.stdout.fd, pieces);
  } catch (error) {
    if (error instanceof Error && "code" in error && notNow.has(error.code)) return 0;
    throw error;
  }
}

/**
 * Makes a write to a pipe, a socket or a terminal fail where it would wait. Node does so for pipes and sockets, but the
 * setting belongs to all processes that share the pipe, and each child that inherits it sets it back: so it is made
 * before every write, which costs a microsecond. Node has no public name for it. A file has no such handle.
 */
function refuseToWait(stream: NodeJS.WriteStream): void {
  const handle: unknown = Reflect.get(stream, "_handle");
  if (typeof handle !== "object" || handle === null) return;
  if ("setBlocking" in handle && typeof handle.setBlocking === "function") handle.setBlocking(false);
}
