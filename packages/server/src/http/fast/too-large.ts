import { Code, ConnectError } from "@connectrpc/connect";

/** A message that may not be so large; it is not always known how large it would have become. */
export function tooLarge(readMaxBytes: number, size?: number): ConnectError {
  const what = size === undefined ? "message size" : `message size ${size}`;
  const message = `${what} is larger than configured readMaxBytes ${readMaxBytes}`;
  return new ConnectError(message, Code.ResourceExhausted);
}
