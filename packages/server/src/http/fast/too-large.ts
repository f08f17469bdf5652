import { Code, ConnectError } from "@connectrpc/connect";

/** The error for a message over the limit. Its full size is not always known. */
export function tooLarge(readMaxBytes: number, size?: number): ConnectError {
  const what = size === undefined ? "message size" : `message size ${size}`;
  const message = `${what} is larger than configured readMaxBytes ${readMaxBytes}`;
  return new ConnectError(message, Code.ResourceExhausted);
}
