import { constants } from "node:http2";
import { endEarly } from "../early-end.ts";
import type { NodeRequest, NodeResponse } from "../node-handler.ts";

/** What `createReceiveDeadline` takes. */
export interface ReceiveDeadlineOptions {
  /** From the header of a request to its last byte, in ms. */
  receiveMs: number;
  /** How much of a request over HTTP/2 is read and thrown away once it is answered. */
  maxDiscardedBytes: number;
  /** Aborted when no request may be waited for any more. */
  shutdownSignal?: AbortSignal;
  /** A request was cut because it did not arrive in time. */
  expired: () => void;
}

/** Cuts requests that do not arrive in time. A client stream may take for ever, but must end once it is answered. */
export type ReceiveDeadline = (request: NodeRequest, response: NodeResponse, clientStream: boolean) => void;

/**
 * Node has such a deadline for HTTP/1.1 (`requestTimeout`), none for HTTP/2. On shutdown, what is still being received
 * is cut as never processed, whatever the protocol: clients may send it again.
 */
export function createReceiveDeadline(options: ReceiveDeadlineOptions): ReceiveDeadline {
  const { receiveMs, maxDiscardedBytes, shutdownSignal, expired } = options;
  const receiving = new Set<NodeRequest>();
  shutdownSignal?.addEventListener("abort", () => {
    for (const request of receiving) if (!received(request)) cut(request, constants.NGHTTP2_REFUSED_STREAM);
  });

  return (request, response, clientStream) => {
    if ("stream" in response) endEarly(response.stream, request.headers, maxDiscardedBytes);
    if (clientStream) return;
    receiving.add(request);
    const expire = () => {
      if (received(request)) return;
      expired();
      cut(request, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    };
    const timer = "stream" in request ? setTimeout(expire, receiveMs).unref() : undefined;
    response.once("close", () => {
      clearTimeout(timer);
      receiving.delete(request);
    });
  };
}

/** Whether all of it arrived, read or not. `request.complete` of HTTP/2 is about what was read. */
function received(request: NodeRequest): boolean {
  if (!("stream" in request)) return request.complete;
  return request.stream.destroyed || request.stream.state.remoteClose === 1;
}

function cut(request: NodeRequest, code: number): void {
  if ("stream" in request) request.stream.close(code);
  else request.destroy();
}
