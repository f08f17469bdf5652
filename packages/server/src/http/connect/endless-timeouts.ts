import { parseTimeout as parseConnect } from "@connectrpc/connect/protocol-connect";
import { parseTimeout as parseGrpc } from "@connectrpc/connect/protocol-grpc";

/** The longest time of a timer of Node, in ms. More overflows Node's timers, which then warn on stderr and fire at once. */
export const maxTimerMs: number = 2 ** 31 - 1;

/** Removes timeouts of more than 24 days, which the protocols allow, from a request's header: the call then has no deadline. */
export function dropEndlessTimeouts(header: Headers): void {
  const { timeoutMs: connect = 0 } = parseConnect(header.get("connect-timeout-ms"), Number.MAX_SAFE_INTEGER);
  if (connect > maxTimerMs) header.delete("connect-timeout-ms");
  const { timeoutMs: grpc = 0 } = parseGrpc(header.get("grpc-timeout"), Number.MAX_SAFE_INTEGER);
  if (grpc > maxTimerMs) header.delete("grpc-timeout");
}
