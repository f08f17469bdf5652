import type { OutgoingHttpHeaders } from "node:http";
import { mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import { codeToHttpStatus, errorToJsonBytes, parseTimeout } from "@connectrpc/connect/protocol-connect";
import { tooLarge } from "./too-large.ts";
import type { AnswerFields, UnaryProtocol } from "./unary-protocol.ts";

/** The protocol of Connect, over either version of HTTP. */
export const connect: UnaryProtocol = {
  name: "connect",
  fields: { timeout: "connect-timeout-ms", encoding: "content-encoding", acceptEncoding: "accept-encoding" },
  parseTimeout: (value) => parseTimeout(value, Number.MAX_SAFE_INTEGER),
  trailers: {},
  hasEnvelopes: false,
  most: (_begin, readMaxBytes) => readMaxBytes,

  unwrap(body, readMaxBytes, decode) {
    if (body.length > readMaxBytes) throw tooLarge(readMaxBytes);
    return decode(body);
  },

  success(context, body, encoding) {
    const headers = headersOf(context, body);
    if (encoding !== undefined) headers["content-encoding"] = encoding;
    return { status: 200, headers, body };
  },

  failure(context, error) {
    const { responseHeader } = context;
    responseHeader.set("content-type", "application/json");
    // What another server said of itself is not for our client.
    if (!error.isWireError) mergeNonProtocolHeaders(responseHeader, error.metadata);
    const body = errorToJsonBytes(error, undefined);
    return { status: codeToHttpStatus(error.code), headers: headersOf(context, body), body };
  },
};

/** Trailers are sent as fields of the header. */
function headersOf(context: AnswerFields, body: Uint8Array): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = { ...context.headers, "content-length": body.length };
  for (const [name, value] of Object.entries(context.trailers)) headers[`trailer-${name}`] = value;
  return headers;
}
