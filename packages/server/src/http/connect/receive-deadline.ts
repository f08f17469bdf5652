import { constants, type ServerHttp2Stream } from "node:http2";
import type { NodeRequest, NodeResponse } from "../node-handler.ts";

/** What `createReceiveDeadline` takes. */
export interface ReceiveDeadlineOptions {
  /** From the header of a request to its last byte, in ms. */
  receiveMs: number;
  /** Aborted when no request may be waited for any more. */
  shutdownSignal?: AbortSignal;
  /** A request was cut because it did not arrive in time. */
  expired: () => void;
}

/** Watches that a request arrives in time; a client stream only has to end once its answer has. */
export type ReceiveDeadline = (request: NodeRequest, response: NodeResponse, clientStream: boolean) => void;

/** What a peer gets, in ms, to end a client stream that is answered already. */
const lingerMs = 1000;

/**
 * Node has such a deadline for HTTP/1.1 (`requestTimeout`), none for HTTP/2. On shutdown, what is still being received
 * is cut as never processed, whatever the protocol: clients may send it again.
 */
export function createReceiveDeadline(options: ReceiveDeadlineOptions): ReceiveDeadline {
  const { receiveMs, shutdownSignal, expired } = options;
  const receiving = new Set<NodeRequest>();
  shutdownSignal?.addEventListener("abort", () => {
    for (const request of receiving) if (!received(request)) cut(request, constants.NGHTTP2_REFUSED_STREAM);
  });

  const deadline = (request: NodeRequest, response: NodeResponse, ms: number, code: number) => {
    receiving.add(request);
    const expire = () => {
      if (received(request)) return;
      expired();
      cut(request, code);
    };
    const timer = "stream" in request ? setTimeout(expire, ms).unref() : undefined;
    response.once("close", () => {
      clearTimeout(timer);
      receiving.delete(request);
    });
  };
  return (request, response, clientStream) => {
    if (!clientStream) return deadline(request, response, receiveMs, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (!("stream" in response)) {
      response.once("finish", () => deadline(request, response, lingerMs, constants.NGHTTP2_NO_ERROR));
      return;
    }
    // The response itself says "finish" only once the peer has ended the stream, too.
    const { stream } = response;
    stream.once("finish", () => {
      const timer = setTimeout(endStream, lingerMs, stream).unref();
      stream.once("close", () => clearTimeout(timer));
    });
  };
}

/** Left to itself, Node keeps even a stream that both sides have ended until all of it was read. */
function endStream(stream: ServerHttp2Stream): void {
  stream.close(constants.NGHTTP2_NO_ERROR);
  stream.destroy();
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
