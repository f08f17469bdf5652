import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { gunzipSync } from "node:zlib";
import { grpcHeaders } from "./client-headers.ts";
import { Refused, type Target } from "./connection.ts";

const windowBytes = 16 * 1024 * 1024;
const prefixBytes = 5;
const unavailable = "14";

/** A cleartext HTTP/2 connection of node:http2, for gRPC messages of any size. */
export function openSession(url: string): ClientHttp2Session {
  const session = connect(url, {
    settings: { enablePush: false, initialWindowSize: windowBytes },
    // Node's 10 MB are less than 64 batches on their way: it then resets streams whose answers come.
    maxSessionMemory: 1000,
  });
  session.on("connect", () => session.setLocalWindowSize(windowBytes));
  // Every call in flight rejects as well.
  session.on("error", () => undefined);
  return session;
}

/** Begins a gRPC call; the request's messages are still to be written. */
export function openCall(session: ClientHttp2Session, { url, method }: Target): ClientHttp2Stream {
  // A list of names and values is cheaper for node:http2 than an object.
  const headers = Object.entries({
    ":method": "POST",
    ":scheme": "http",
    ":authority": new URL(url).host,
    ":path": `/${method}`,
    ...grpcHeaders,
  }).flat();
  return session.request(headers, { endStream: false });
}

/** What became of a call when it is over: resolves if its status is OK. */
export function statusOf(stream: ClientHttp2Stream, { method }: Target): Promise<void> {
  return new Promise((resolve, reject) => {
    let status: string | undefined;
    let message: string | undefined;
    const read = (fields: IncomingHttpHeaders) => {
      status ??= fields["grpc-status"]?.toString();
      message ??= fields["grpc-message"]?.toString();
    };
    stream.on("response", read).on("trailers", read).on("error", reject);
    stream.on("end", () => {
      if (status === "0") return resolve();
      if (status === undefined) return reject(new Error(`${method}: the call ended without a status`));
      const what = `${method}: grpc-status ${status} ${decodeURIComponent(message ?? "")}`;
      return reject(status === unavailable ? new Refused(what) : new Error(what));
    });
  });
}

/** A message with its length before it. */
export function prefixed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

/** The messages at the start of `bytes` that are complete, and what is left. */
export function splitMessages(bytes: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let at = 0;
  while (bytes.byteLength >= at + prefixBytes) {
    const start = at + prefixBytes;
    const end = start + bytes.readUInt32BE(at + 1);
    if (end > bytes.byteLength) break;
    const message = bytes.subarray(start, end);
    messages.push(bytes[at] === 1 ? gunzipSync(message) : message);
    at = end;
  }
  return { messages, rest: bytes.subarray(at) };
}

/** How many bytes a message that has begun still needs, or its prefix. */
export function missingBytes(begun: Buffer): number {
  const whole = begun.byteLength < prefixBytes ? prefixBytes : prefixBytes + begun.readUInt32BE(1);
  return whole - begun.byteLength;
}
