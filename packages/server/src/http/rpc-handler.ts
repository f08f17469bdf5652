import { AsyncLocalStorage } from "node:async_hooks";
import { constants } from "node:http2";
import { type ConnectRouter, type ConnectRouterOptions, createConnectRouter } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { assertByteStreamRequest, type UniversalHandler } from "@connectrpc/connect/protocol";
import { createByteBudget, openAccount } from "./connect/byte-budget.ts";
import { correctErrors } from "./connect/correct-errors.ts";
import { type Inspect, inspectMessages, type MessageLimits } from "./inspect/inspect.ts";
import { dropEndlessTimeouts } from "./connect/endless-timeouts.ts";
import { createFastUnary, type FastUnary } from "./fast/fast-unary.ts";
import { recordUnary, type UnarySpec } from "./fast/recording-router.ts";
import { finalizeOnAbort } from "./connect/finalize-on-abort.ts";
import { checkQuery, isJsonQuery } from "./connect/get-query.ts";
import { correctGrpcMessage } from "./connect/grpc-message.ts";
import { clientError, hideError, hideErrors, type RpcFailure } from "./connect/hide-errors.ts";
import { inTwo } from "./large-answer.ts";
import { type Intake, type IntakeLimits, receive, unpacked } from "./connect/intake.ts";
import { type Limits, resolveLimits } from "./limits.ts";
import { discardedMessages } from "./linger.ts";
import type { ConnectionEvent } from "./connection-event.ts";
import type { NodeHandler, NodeRequest, NodeResponse } from "./node-handler.ts";
import { meteredGzip } from "./connect/metered-gzip.ts";
import { sayAccepted } from "./connect/accepted.ts";
import { refuseLate } from "./connect/late-call.ts";
import { useOriginForm } from "./connect/origin-form.ts";
import { createReceiveDeadline } from "./connect/receive-deadline.ts";
import { answerUnknownMethod } from "./connect/unknown-method.ts";

/** Keeping unknown fields would cost a hundred times their size in memory. */
const binaryOptions = { readUnknownFields: false };

/** Answers requests, and some of those over HTTP/2 without request and response objects. */
export interface RpcHandler extends NodeHandler {
  /** Takes a stream, or returns false and has not touched it. */
  serveHttp2?: FastUnary["serveHttp2"];
}

/** What `createRpcHandler` takes. */
export interface RpcHandlerOptions extends Pick<
  ConnectRouterOptions,
  "shutdownSignal" | "requestGate" | "interceptors" | "jsonOptions"
> {
  /** Registers the rpcs. Give `router.service` no options: they turn on what is off for the router. */
  routes: (router: ConnectRouter) => void;
  /** Answers requests for paths that are no rpc. */
  fallback: NodeHandler;
  /** Told of every bug met while answering; must not throw. */
  onError: (failure: RpcFailure) => void;
  /** Told of requests that did not arrive in time; must not throw. */
  observe?: (event: ConnectionEvent) => void;
  limits?: Partial<Limits>;
  /** Whether unary calls without anything special about them are served past connect, which costs far less. Default true. */
  fastPath?: boolean;
  /** Checked before messages are decoded. */
  messageLimits?: MessageLimits;
}

/**
 * Serves rpcs over gRPC, gRPC-Web and Connect. In place of `connectNodeAdapter`, which throws outside of every handler
 * for a malformed authority, does not end the generators of cancelled streams, waits for ever for the rest of a request
 * and has no gRPC answer for unknown methods.
 *
 * @throws RangeError for a limit out of range.
 */
export function createRpcHandler(options: RpcHandlerOptions): RpcHandler {
  const { fallback, onError, observe, shutdownSignal } = options;
  const limits = resolveLimits(options.limits);
  const intakeLimits = {
    budget: createByteBudget(limits.maxBytesInFlight),
    inspect: inspectMessages(options.messageLimits ?? {}),
    readMaxBytes: limits.readMaxBytes,
  };
  const calls = new AsyncLocalStorage<Intake>();
  const gzip = meteredGzip((message) => {
    const intake = calls.getStore();
    if (intake !== undefined) unpacked(message, intake, intakeLimits);
  });
  const router = createConnectRouter({
    acceptCompression: [gzip],
    binaryOptions,
    ...(options.jsonOptions && { jsonOptions: options.jsonOptions }),
    readMaxBytes: limits.readMaxBytes,
    writeMaxBytes: limits.writeMaxBytes,
    compressMinBytes: limits.compressMinBytes,
    interceptors: [hideErrors(onError), finalizeOnAbort, ...(options.interceptors ?? [])],
    requestGate: gate(options, intakeLimits.inspect),
    ...(shutdownSignal && { shutdownSignal }),
  });
  const unary = new Map<string, UnarySpec>();
  options.routes(recordUnary(router, unary));
  const rpcs = new Map(router.handlers.map((rpc) => [rpc.requestPath, rpc]));
  const expired = () => observe?.({ what: "receive-deadline" });
  const fast = createFastUnary({
    ...options,
    rpcs: options.fastPath === false ? new Map() : unary,
    binaryOptions,
    compression: gzip,
    limits: { ...limits, ...intakeLimits },
    expired,
  });
  const deadline = createReceiveDeadline({
    receiveMs: limits.receiveMs,
    maxDiscardedBytes: discardedMessages * limits.readMaxBytes,
    expired,
    ...(shutdownSignal && { shutdownSignal }),
  });

  const handler: NodeHandler = (request, response) => {
    useOriginForm(request);
    if (!("stream" in request) && !("stream" in response) && fast.serveHttp1(request, response)) return;
    const path = (request.url ?? "").replace(/\?.*/s, "");
    const rpc = rpcs.get(path);
    const broken = (error: unknown) => {
      if (isClosed(response)) return;
      hideError(error, path, onError);
      fail(response);
    };
    deadline(request, response, rpc !== undefined && takesStream(rpc));
    if (rpc !== undefined)
      return void answerRpc(rpc, { request, response, calls, limits: intakeLimits }).catch(broken);
    try {
      if (!answerUnknownMethod(request, response)) fallback(request, response);
    } catch (error) {
      broken(error);
    }
  };
  return Object.assign(handler, { serveHttp2: fast.serveHttp2 });
}

/** The caller's gate, then our own checks. An unexpected error in it is reported as a bug, like one in a handler. */
function gate(
  { requestGate, onError }: RpcHandlerOptions,
  inspect: Inspect,
): NonNullable<RpcHandlerOptions["requestGate"]> {
  return async (context) => {
    correctErrors(context, onError);
    try {
      await requestGate?.(context);
      refuseLate(context);
      checkQuery(context, inspect);
    } catch (error) {
      throw clientError(error, context, onError);
    }
  };
}

interface ConnectCall {
  request: NodeRequest;
  response: NodeResponse;
  /** Carries the call to code that gets only its message. */
  calls: AsyncLocalStorage<Intake>;
  limits: IntakeLimits;
}

async function answerRpc(
  rpc: UniversalHandler,
  { request, response, calls, limits }: ConnectCall,
): Promise<void> {
  response.setHeader("cache-control", "no-store");
  let universal: ReturnType<typeof universalRequestFromNodeRequest>;
  try {
    universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    // A URI is ASCII; Node takes other bytes for Latin-1.
    if (!/^[\x21-\x7e]*$/.test(request.url ?? "")) throw new Error("malformed path");
  } catch {
    // Its authority is missing or malformed, its path is, or a header is.
    if (request.httpVersionMajor === 1) response.setHeader("connection", "close");
    response.writeHead(400).end();
    return;
  }
  dropEndlessTimeouts(universal.header);
  assertByteStreamRequest(universal);
  const { method } = rpc;
  const { header, url } = universal;
  const json =
    universal.method === "GET"
      ? isJsonQuery(new URL(url).searchParams)
      : /json/i.test(header.get("content-type") ?? "");
  const intake = { method, header, json, account: openAccount(limits.budget) };
  response.once("close", intake.account.close);
  const body = receive(unended(universal.body), intake, limits);
  await calls.run(intake, async () => {
    const answer = sayAccepted(await rpc({ ...universal, body }), { request: universal, method });
    if (!takesStream(rpc)) intake.account.close();
    if (answer.status === 405) response.setHeader("allow", rpc.allowedMethods.join(", "));
    const isSplit = method.methodKind === "unary" && !("stream" in request) && "encrypted" in request.socket;
    await universalResponseToNodeResponse(correctGrpcMessage(isSplit ? inTwo(answer) : answer), response);
  });
}

/** Whether requests are a stream. Such a call may go on for ever; its handler bounds the time between messages. */
function takesStream({ method: { methodKind } }: UniversalHandler): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/**
 * A body that stays open when its reader stops early, at a message that it refuses. Closing the body would abort the stream
 * while answers to earlier messages are on their way, and over HTTP/1.1 nobody would read the rest of it. The code that ends
 * a request after its answer closes it later.
 */
function unended(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) };
}

/** Whether the peer is gone; an error in writing to it is no bug. */
function isClosed(response: NodeResponse): boolean {
  if ("stream" in response) return response.stream.closed || response.stream.destroyed;
  return response.destroyed;
}

function fail(response: NodeResponse): void {
  if (!response.headersSent) response.writeHead(500).end();
  else if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}
