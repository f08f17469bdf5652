import { once } from "node:events";
import type { Server as Http1Server } from "node:http";
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { ConnectionEvent } from "../connection-event.ts";
import { createCleartextServer } from "./cleartext.ts";
import { discardRest } from "./discard-rest.ts";
import { watchSessions } from "./http2-sessions.ts";
import { http2Options, type Limits, resolveLimits } from "../limits.ts";
import { discardedMessages } from "../linger.ts";
import type { RpcHandler } from "../rpc-handler.ts";
import type { NodeHandler } from "../node-handler.ts";
import { createSpareConnections, spareConnections, type SpareConnections } from "./spare-connections.ts";
import { type AnswerStream, createStallGuard } from "./stall-guard.ts";
import { createTlsServer, type TlsOptions } from "./tls.ts";

type Observe = (event: ConnectionEvent) => void;

/** What `createListener` takes. */
export interface ListenerOptions {
  /** Serves TLS instead of cleartext. */
  tls?: TlsOptions;
  limits?: Partial<Limits>;
  /** Told what is refused or cut; must not throw. */
  observe?: Observe;
}

interface Address {
  host: string;
  port: number;
}

/** HTTP/1.1 and HTTP/2 on one port. */
export interface Listener {
  /** @throws Error in one line if the address cannot be had. */
  listen(address: Address): Promise<AddressInfo>;
  /** Takes no new connection and no new HTTP/2 stream; answers in flight finish, idle connections are closed. */
  stop(): void;
  /** Resolves when the listener was stopped and all connections are gone. */
  readonly closed: Promise<void>;
  /** Stops and cuts every connection at once. */
  destroy(): void;
  /** The server that owns the port and speaks HTTP/1.1. */
  readonly http1: Http1Server;
}

/**
 * A listener that gives every request to `handler`. The HTTP/1.1 server owns the port in both modes, because one that
 * never listens enforces neither its header nor its request timeout; what speaks HTTP/2 is handed on.
 *
 * @throws RangeError for a limit out of range.
 */
export function createListener(handler: RpcHandler, options: ListenerOptions = {}): Listener {
  const limits = resolveLimits(options.limits);
  const observe = options.observe ?? (() => undefined);
  const stopping = new AbortController();

  const handle: NodeHandler = (request, response) => {
    guard.watch("stream" in response ? response.stream : response);
    if ("stream" in request) sessions.touch(request.stream.session);
    if (!("stream" in request) && !("stream" in response)) {
      // Pipelined behind the last request that its connection serves.
      if (request.socket.writableEnded) return;
      discardRest(request, response, discardedMessages * limits.readMaxBytes);
      if (stopping.signal.aborted) closeAfter(response);
    }
    if (spare.refuse(request, response)) return;
    handler(request, response);
  };
  const http2 = createServer(http2Options(limits), handle).on("checkContinue", (request, response) => {
    response.writeContinue();
    handle(request, response);
  });
  takeStreams(http2, (stream, headers) => {
    if (handler.serveHttp2 === undefined || spare.has(stream.session?.socket)) return false;
    const watched = guard.watchOnce(stream);
    if (handler.serveHttp2(stream, headers, watched)) {
      sessions.touch(stream.session);
      return true;
    }
    watched.leave();
    return false;
  });
  const http1: Http1Server =
    options.tls === undefined
      ? createCleartextServer({ limits, http2, stopped: stopping.signal, observe }, handle)
      : createTlsServer(options.tls, { limits, http2 }, handle);
  const spare = createSpareConnections(limits.headersMs, observe);
  const sockets = trackSockets(http1, { limits, spare, observe });
  const guard = createStallGuard(limits.stallMs, () => observe({ what: "stalled-reader" }));
  const sessions = watchSessions(http2, { limits, openAnswers: () => guard.open, observe });

  const stop = () => {
    if (stopping.signal.aborted) return;
    // Not http1.close(): that would also end the enforcement of header and request timeouts.
    NetServer.prototype.close.call(http1);
    stopping.abort();
    sessions.closeAll();
    for (const { item } of guard.open) closeAfter(item);
    const idleTimer = setInterval(() => http1.closeIdleConnections(), 100);
    void closed.then(() => clearInterval(idleTimer));
  };
  const closed = new Promise<void>((resolve) => {
    http1.once("close", () => {
      guard.stop();
      sessions.stop();
      // Ends what stop() left running.
      http1.close();
      resolve();
    });
  });
  return {
    http1,
    closed,
    stop,
    listen: (address) => listen(http1, address, observe),
    destroy() {
      stop();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/**
 * Offers every stream to `take`; those that it does not take become requests and responses. One that was reset before its
 * turn came is left alone: nobody might be told of its end any more, and Node itself would throw, outside of every
 * handler, as it tells its client to continue. A reset without error closes a stream before it is destroyed.
 */
function takeStreams(
  server: Http2Server,
  take: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean,
): void {
  const request = server.listeners("stream")[0];
  server.removeAllListeners("stream").on("stream", (stream, headers, ...rest: unknown[]) => {
    if (stream.closed || stream.destroyed) return stream.on("error", () => undefined);
    if (!take(stream, headers)) request?.call(server, stream, headers, ...rest);
  });
}

interface Tracking {
  limits: Limits;
  spare: SpareConnections;
  observe: Observe;
}

/** The connections of either protocol, those in a TLS handshake included. */
function trackSockets(server: Http1Server, { limits, spare, observe }: Tracking): Set<Socket> {
  const sockets = new Set<Socket>();
  server.maxConnections = limits.maxConnections + spareConnections;
  server
    .on("drop", () => observe({ what: "connection-limit" }))
    .on("tlsClientError", (error) => observe({ what: "tls-error", error }))
    .on("connection", (socket) => {
      sockets.add(socket.once("close", () => sockets.delete(socket)));
      if (sockets.size > limits.maxConnections) spare.add(socket);
    });
  return sockets;
}

async function listen(server: Http1Server, { host, port }: Address, observe: Observe): Promise<AddressInfo> {
  server.listen({ host, port });
  await once(server, "listening").catch((cause: unknown) => {
    throw listenError(cause, `${host}:${port}`);
  });
  server.on("error", (error) => observe({ what: "accept-failed", error }));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the listener has no TCP port");
  return bound;
}

/** An HTTP/2 connection is closed by its session instead. */
function closeAfter(answer: AnswerStream): void {
  if ("setHeader" in answer && !answer.headersSent) answer.setHeader("connection", "close");
}

/** By code: the texts of Node are for those who know what EADDRINUSE means. */
function listenError(cause: unknown, address: string): ListenError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  const why: Record<string, string> = {
    EADDRINUSE: `${address} is already in use`,
    EACCES: `not allowed to listen on ${address}`,
    EADDRNOTAVAIL: `${address} is not an address of this machine`,
    ENOTFOUND: `${address} is not a known host`,
  };
  return new ListenError(why[code] ?? `cannot listen on ${address}: ${code}`, { cause });
}

/** The address cannot be had; the message says which and why in one line. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}
