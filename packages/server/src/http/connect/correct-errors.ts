import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";

/** Errors of connect that are the client's fault and yet have the code internal. */
const clientFault = /^(parse binary:|decompression failed)/;

/** Parse errors quote the value sent, and over gRPC they are a header, which peers take up to 8 kB of. */
const maxMessageLength = 1000;

/**
 * Corrects the error that ends a call just before it is written, in every protocol: connect hands it to the signal of
 * the call first. Nowhere else are malformed messages seen, as connect parses them outside of interceptors.
 */
export function correctErrors({ signal }: Pick<HandlerContext, "signal">): void {
  const correct = () => {
    if (signal.reason instanceof ConnectError) correctError(signal.reason);
  };
  signal.addEventListener("abort", correct, { once: true });
}

/** Corrects one error, in place. */
export function correctError(error: ConnectError): void {
  const { code, rawMessage } = error;
  Object.assign(error, {
    code: code === Code.Internal && clientFault.test(rawMessage) ? Code.InvalidArgument : code,
    // Half of a surrogate pair, quoted or left by the cut, cannot be written into a header.
    rawMessage: rawMessage.slice(0, maxMessageLength).toWellFormed(),
  });
}
