import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { tooLarge } from "./too-large.ts";
import { encodeGrpcMessage } from "../connect/grpc-message.ts";
import { nodeHeaders } from "./node-headers.ts";
import type { UnaryProtocol } from "./unary-protocol.ts";

/** In front of a message: flags, and its length. */
const prefixBytes = 5;

/** gRPC, over HTTP/2 only. */
export const grpc: UnaryProtocol = {
  name: "grpc",
  fields: { timeout: "grpc-timeout", encoding: "grpc-encoding", acceptEncoding: "grpc-accept-encoding" },
  parseTimeout: (value) => parseTimeout(value, Number.MAX_SAFE_INTEGER),
  trailers: { "grpc-status": "0" },
  hasEnvelopes: true,

  most(begin, readMaxBytes) {
    const tooLong = begin.length >= prefixBytes && begin.readUInt32BE(1) > readMaxBytes;
    // A second message has to be there before it is an error.
    return tooLong ? 0 : 2 * (prefixBytes + readMaxBytes);
  },

  unwrap(body, readMaxBytes, decode) {
    if (body.length === 0) throw protocolError("missing input message for unary method", Code.Unimplemented);
    const end = envelopeEnd(body, 0, readMaxBytes);
    if (((body[0] ?? 0) & compressedFlag) !== 0) {
      const message = "received compressed envelope, but do not know how to decompress";
      throw new ConnectError(message, Code.Internal);
    }
    const message = decode(body.subarray(prefixBytes, end));
    if (end === body.length) return message;
    envelopeEnd(body, end, readMaxBytes);
    throw protocolError("received extra input message for unary method", Code.Unimplemented);
  },

  success(context, message, encoding) {
    const body = Buffer.allocUnsafe(prefixBytes + message.length);
    body[0] = encoding === undefined ? 0 : compressedFlag;
    body.writeUInt32BE(message.length, 1);
    body.set(message, prefixBytes);
    const { headers, trailers } = context;
    const all = encoding === undefined ? headers : { ...headers, "grpc-encoding": encoding };
    return { status: 200, headers: all, body, trailers };
  },

  failure(context, error) {
    const trailers = nodeHeaders(setTrailerStatus(context.responseTrailer, error));
    trailers["grpc-message"] = encodeGrpcMessage(error.rawMessage);
    const { headers } = context;
    return context.hasOwnHeaders
      ? { status: 200, headers, trailers }
      : { status: 200, headers: { ...headers, ...trailers } };
  },
};

/** @throws ConnectError if the envelope that begins at `start` is not complete or too large. */
function envelopeEnd(body: Buffer, start: number, readMaxBytes: number): number {
  const head = start + prefixBytes;
  const size = body.length < head ? Number.POSITIVE_INFINITY : body.readUInt32BE(start + 1);
  if (Number.isFinite(size) && size > readMaxBytes) throw tooLarge(readMaxBytes, size);
  if (head + size > body.length) throw protocolError("incomplete envelope", Code.InvalidArgument);
  return head + size;
}

function protocolError(message: string, code: Code): ConnectError {
  return new ConnectError(`protocol error: ${message}`, code);
}
