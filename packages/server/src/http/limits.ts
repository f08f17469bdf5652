import type { ServerOptions as Http2Options } from "node:http2";
import type { ServerOptions as HttpsOptions } from "node:https";

/** The limits for clients. Times are in ms, sizes in bytes; every limit has a default. */
export interface Limits {
  /** Connections at once, besides 32 for probes; more are dropped. Default 2000. */
  maxConnections: number;
  /** From accepting a cleartext connection to knowing its protocol. Default 3000. */
  sniffMs: number;
  /** From accepting a TLS connection to the end of the handshake. Default 5000. */
  tlsHandshakeMs: number;
  /**
   * From the first byte of an HTTP/1.1 request to the end of its header, and the whole life of a connection beyond
   * `maxConnections`; not above `receiveMs`. Default 5000.
   */
  headersMs: number;
  /** From the start of a request to its last byte; not for client streams over HTTP/2. Default 20,000. */
  receiveMs: number;
  /** Size of a request's header. Default 16 KiB. */
  maxHeaderBytes: number;
  /** Idle time of an HTTP/1.1 connection; longer than that of the load balancers in use. Default 65,000. */
  keepAliveMs: number;
  /**
   * Streams at once on one HTTP/2 connection. Default 1024. A client that has as many calls under way as this and cancels one
   * may open the next before Node has let go of the first; Node then resets the next one with ENHANCE_YOUR_CALM, which gRPC
   * shows as RESOURCE_EXHAUSTED and does not repeat. So it has to be more than a client uses. A unary call that is being
   * received costs 3 KiB, an open stream of requests 50 to 100 KiB.
   */
  maxConcurrentStreams: number;
  /** How often HTTP/2 connections are pinged and looked at. Default 20,000. */
  pingIntervalMs: number;
  /** From a ping to its answer; below `pingIntervalMs`. Default 10,000. */
  pingTimeoutMs: number;
  /** Time without a stream after which an HTTP/2 connection is closed. Default 60,000. */
  idleMs: number;
  /** What one write of an answer may take, besides its size at 32 kB/s. Default 30,000. */
  stallMs: number;
  /** Size of a message received, also once decompressed. Default 4 MiB. */
  readMaxBytes: number;
  /** Bytes of requests received and not answered yet, all calls together; at least twice `readMaxBytes`. Default 64 MiB. */
  maxBytesInFlight: number;
  /** Size of a message sent. Default 8 MiB. */
  writeMaxBytes: number;
  /**
   * Size of a message from which on it is sent compressed to a client that takes it. Default 16 KiB: to compress a smaller one
   * costs more time than it saves.
   */
  compressMinBytes: number;
}

const defaults: Limits = {
  maxConnections: 2000,
  sniffMs: 3000,
  tlsHandshakeMs: 5000,
  headersMs: 5000,
  receiveMs: 20_000,
  maxHeaderBytes: 16 * 1024,
  keepAliveMs: 65_000,
  maxConcurrentStreams: 1024,
  pingIntervalMs: 20_000,
  pingTimeoutMs: 10_000,
  idleMs: 60_000,
  stallMs: 30_000,
  readMaxBytes: 4 * 1024 * 1024,
  maxBytesInFlight: 64 * 1024 * 1024,
  writeMaxBytes: 8 * 1024 * 1024,
  compressMinBytes: 16 * 1024,
};

/** The limits given, completed by the defaults. @throws RangeError naming the limit, what was wanted and what was got. */
export function resolveLimits(given: Partial<Limits> = {}): Readonly<Limits> {
  const limits = { ...defaults, ...given };
  for (const [name, got] of Object.entries(limits)) {
    if (!Number.isInteger(got) || got < 1 || got > 2 ** 31 - 1)
      throw new RangeError(`${name} must be a whole number from 1 to 2147483647, got ${got}`);
  }
  if (limits.headersMs > limits.receiveMs)
    throw new RangeError(
      `headersMs must not exceed receiveMs (${limits.receiveMs}), got ${limits.headersMs}`,
    );
  if (limits.pingTimeoutMs >= limits.pingIntervalMs)
    throw new RangeError(
      `pingTimeoutMs must be below pingIntervalMs (${limits.pingIntervalMs}), got ${limits.pingTimeoutMs}`,
    );
  // A compressed message counts in both sizes.
  if (limits.maxBytesInFlight < 2 * limits.readMaxBytes)
    throw new RangeError(
      `maxBytesInFlight must be at least twice readMaxBytes (${limits.readMaxBytes}), got ${limits.maxBytesInFlight}`,
    );
  return limits;
}

/** Options of the HTTP/1.1 side, which also holds those of the port. */
export function http1Options(limits: Limits): HttpsOptions {
  return {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.receiveMs,
    // The default of 30 s would make both timeouts late.
    connectionsCheckingInterval: Math.min(1000, limits.headersMs),
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.maxHeaderBytes,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
  };
}

/** Options of the HTTP/2 side. */
export function http2Options(limits: Limits): Http2Options {
  return {
    settings: {
      maxConcurrentStreams: limits.maxConcurrentStreams,
      initialWindowSize: 256 * 1024,
      maxHeaderListSize: limits.maxHeaderBytes,
      enablePush: false,
    },
    maxSessionMemory: 32,
    maxSessionInvalidFrames: 100,
    // A client whose calls all time out may reset and repeat them in one packet, in which Node still counts the first.
    maxSessionRejectedStreams: limits.maxConcurrentStreams,
    maxHeaderListPairs: 100,
    unknownProtocolTimeout: 5000,
    // A client whose deadlines pass resets as many streams as it opens; Node's defaults of 1000 and 33 cut it. Beyond
    // these it is an attack, and one at this rate costs no more than as many calls would.
    streamResetBurst: 2000,
    streamResetRate: 500,
  };
}
