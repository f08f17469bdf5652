import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { hideError, isForClient, replaceText, type RpcFailure } from "./hide-errors.ts";

/** Errors of connect that are the client's fault and yet have the code internal. */
const clientFault = /^(parse binary:|decompression failed)/;

/** Errors of the client that connect gives the code internal over gRPC. */
const internalFault = /^received compressed envelope/;

/** Parse errors quote the value sent, and over gRPC they are a header, which peers take up to 8 kB of. */
const maxMessageLength = 1000;

/**
 * Corrects the error that ends a call just before it is written, in every protocol: connect hands it to `abort` of the
 * call's context first. Nowhere else are malformed messages seen, nor answers that cannot be encoded, as connect parses and
 * encodes outside of interceptors. The latter are bugs.
 */
export function correctErrors(context: HandlerContext, onError: (failure: RpcFailure) => void): void {
  if (!("abort" in context) || typeof context.abort !== "function") return;
  const { service, method } = context;
  const abort: (reason?: unknown) => void = context.abort.bind(context);
  const correctFirst = (reason?: unknown) => {
    if (reason instanceof ConnectError && isBug(reason)) {
      const shown = hideError(causeOf(reason), `${service.typeName}/${method.name}`, onError);
      replaceText(reason, shown);
    } else if (reason instanceof ConnectError) correctError(reason);
    abort(reason);
  };
  Object.assign(context, { abort: correctFirst });
}

function isBug(error: ConnectError): boolean {
  const { code, rawMessage } = error;
  if (code !== Code.Internal || isForClient(error)) return false;
  return !clientFault.test(rawMessage) && !internalFault.test(rawMessage);
}

/** What is reported, as the error itself is about to lose its message. */
function causeOf({ cause, rawMessage }: ConnectError): unknown {
  return cause ?? new Error(rawMessage);
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
