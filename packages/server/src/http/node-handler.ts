import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";

/** A request over HTTP/1.1 or HTTP/2. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
/** The answer to a `NodeRequest`. Node types two methods so differently for both kinds that neither could be called. */
export type NodeResponse = (ServerResponse | Http2ServerResponse) & {
  writeHead(status: number, headers?: OutgoingHttpHeaders): { end(data?: string | Uint8Array): unknown };
  end(data?: string | Uint8Array): unknown;
};
/** Answers one request. */
export type NodeHandler = (request: NodeRequest, response: NodeResponse) => void;
