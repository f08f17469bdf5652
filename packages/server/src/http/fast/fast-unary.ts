import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { ConnectRouterOptions } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { createDeadlines } from "../deadlines.ts";
import { maxTimerMs } from "../connect/endless-timeouts.ts";
import type { RpcFailure } from "../connect/hide-errors.ts";
import type { IntakeLimits } from "../connect/intake.ts";
import type { Limits } from "../limits.ts";
import type { CallContext } from "./call-context.ts";
import { type Exchange, Http1Exchange, Http2Exchange, type Leaving } from "./exchange.ts";
import { formOf } from "./content-types.ts";
import type { UnarySpec } from "./recording-router.ts";
import { createRpc } from "./rpc.ts";
import { UnaryCall } from "./unary-call.ts";
import type { Form, UnaryProtocol } from "./unary-protocol.ts";

/** What `createFastUnary` takes. */
export interface FastUnaryOptions extends Pick<
  ConnectRouterOptions,
  "shutdownSignal" | "requestGate" | "interceptors" | "binaryOptions" | "jsonOptions"
> {
  /** By their paths. */
  rpcs: ReadonlyMap<string, UnarySpec>;
  /** For large answers to clients that accept it. */
  compression: Compression;
  limits: IntakeLimits & Pick<Limits, "writeMaxBytes" | "receiveMs" | "compressMinBytes">;
  onError: (failure: RpcFailure) => void;
  /** A request was cut because it did not arrive in time. */
  expired: () => void;
}

/** Takes the calls that it can serve; for others its functions return false and have done nothing. */
export interface FastUnary {
  serveHttp1(request: IncomingMessage, response: ServerResponse): boolean;
  /** Lets `watched` leave once the stream is closed. */
  serveHttp2: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, watched: Leaving) => boolean;
}

/** Node has a deadline of its own for HTTP/1.1. */
const http1ReceiveMs = Number.POSITIVE_INFINITY;

/**
 * Serves unary calls without anything special about them (gRPC over HTTP/2 and Connect, in binary and JSON) straight on
 * the objects of Node: with the results of connect's own handlers, at a small part of their cost.
 */
export function createFastUnary(options: FastUnaryOptions): FastUnary {
  const { limits, shutdownSignal } = options;
  const rpcs = new Map([...options.rpcs].map(([path, spec]) => [path, createRpc(spec, options)]));
  const deadlines = createDeadlines<CallContext>(10, (context) => context.timeOut());
  const receiving = createDeadlines<UnaryCall>(Math.min(1000, limits.receiveMs / 4), ({ exchange }) => {
    options.expired();
    exchange.cut(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
  shutdownSignal?.addEventListener("abort", () => {
    for (const { item } of receiving.items)
      if (!item.exchange.received) item.exchange.cut(constants.NGHTTP2_REFUSED_STREAM);
    for (const { item } of deadlines.items) item.shutDown();
  });
  const { requestGate, compression, onError } = options;
  const surroundings = { limits, deadlines, receiving, shutdownSignal, requestGate, compression, onError };

  const begin = (exchange: Exchange, form: Form, receiveMs: number): boolean => {
    const rpc = rpcs.get(exchange.path);
    const timeoutMs = timeoutOf(exchange.headers, form.protocol);
    if (rpc === undefined || Number.isNaN(timeoutMs) || !isPlain(exchange, form.protocol)) return false;
    new UnaryCall({ rpc, form, exchange, timeoutMs, receiveMs }, surroundings).begin();
    return true;
  };

  return {
    serveHttp1(request, response) {
      const form = formOf(request.headers["content-type"]);
      if (request.method !== "POST" || form === undefined || form.protocol.name === "grpc") return false;
      return begin(new Http1Exchange(request, response), form, http1ReceiveMs);
    },
    serveHttp2(stream, headers, watched) {
      const form = formOf(headers["content-type"]);
      if (headers[":method"] !== "POST" || form === undefined) return false;
      return begin(new Http2Exchange(stream, headers, watched), form, limits.receiveMs);
    },
  };
}

/** The time that the client gives, in ms; undefined for none, NaN for a malformed one. */
function timeoutOf(
  headers: IncomingHttpHeaders,
  { fields, parseTimeout }: UnaryProtocol,
): number | undefined {
  const given = headers[fields.timeout];
  if (given === undefined) return undefined;
  const { timeoutMs, error } = parseTimeout(String(given));
  if (error !== undefined || timeoutMs === undefined) return Number.NaN;
  return timeoutMs > maxTimerMs ? undefined : timeoutMs;
}

/** Whether nothing is asked for that only connect knows. */
function isPlain({ headers, authority }: Exchange, { fields }: UnaryProtocol): boolean {
  const encoding = headers[fields.encoding];
  return (
    (encoding === undefined || encoding === "identity") &&
    headers.expect === undefined &&
    isAuthority(authority)
  );
}

let lastAuthority = "localhost";

/** Clients name few authorities, and the last one again and again. */
function isAuthority(authority: string): boolean {
  if (authority === lastAuthority) return true;
  if (authority === "" || !URL.canParse(`http://${authority}`)) return false;
  lastAuthority = authority;
  return true;
}
