import { Code, type ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";

/** When a call is tried again. */
export interface RetryPolicy {
  /** Tries in all. */
  maxTries: number;
  /** Delay after the first try, in ms; doubled after each further one. */
  retryBaseMs: number;
  /** Longest delay of our own, in ms. A server may ask for a longer one. */
  retryMaxMs: number;
}

/**
 * How long to wait before the next try, in ms; undefined: the error stands.
 *
 * The larger of what the server asks for and a backoff, of which a half is `random` (0 to 1), so that clients that were
 * refused together do not come back together.
 */
export function retryDelayMs(
  error: ConnectError,
  tries: number,
  { policy, random }: { policy: RetryPolicy; random: number },
): number | undefined {
  if (tries >= policy.maxTries || !isTransient(error)) return undefined;
  const backoff = Math.min(policy.retryBaseMs * 2 ** (tries - 1), policy.retryMaxMs);
  return Math.max(askedDelayMs(error) ?? 0, backoff * (1 - random / 2));
}

/** Whether the same call may succeed later. */
export function isTransient(error: ConnectError): boolean {
  switch (error.code) {
    case Code.Unavailable:
      return true;
    // Without RetryInfo it is a message over the size limit.
    case Code.ResourceExhausted:
      return askedDelayMs(error) !== undefined;
    default:
      return isBrokenConnection(error);
  }
}

/**
 * Whether the connection broke under a call, which has no code of its own. Whether the event was stored is unknown then,
 * and the same event id finds out.
 */
function isBrokenConnection({ code, cause, isWireError }: ConnectError): boolean {
  if (isWireError) return false;
  switch (code) {
    // A lost connection over HTTP/1.1, and over HTTP/2. The caller's own abort never comes here.
    case Code.Aborted:
    case Code.Canceled:
      return true;
    // A stream that the server did not begin or did not end, as when it goes away while the call comes. Without a cause it is
    // an answer that ended before its status, as proxies pass on what a server that died had begun.
    case Code.Internal:
      return cause === undefined || isStreamError(cause);
    // All that fetch says of the network is TypeError.
    case Code.Unknown:
      return cause instanceof TypeError;
    default:
      return false;
  }
}

function isStreamError(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_HTTP2_STREAM_ERROR";
}

/** google.rpc.RetryInfo, 0 if it has no delay; undefined: there is none. */
function askedDelayMs(error: ConnectError): number | undefined {
  const [info] = error.findDetails(RetryInfoSchema);
  if (info === undefined) return undefined;
  const { seconds, nanos } = info.retryDelay ?? { seconds: 0n, nanos: 0 };
  return Number(seconds) * 1000 + nanos / 1_000_000;
}
