// A client of HTTP/2 for small unary gRPC calls and nothing else. With node:http2 a call costs the generator 25 µs of
// CPU, more than it costs the fastest server on the cores that both share, and the generator is what is measured;
// here it costs 4.
import { connect } from "node:net";
import type { Connection, Target } from "./connection.ts";
import {
  firstHeaders,
  flag,
  type Frame,
  frame,
  frameHeadBytes,
  frameOf,
  isStatusOk,
  laterHeaders,
  maxWindow,
  preface,
  readFrames,
  windowUpdate,
} from "./http2-frames.ts";

const prefixBytes = 5;
const maxFrameBytes = 16_384;
/** Where the head of a frame has the number of its stream. */
const streamAt = 5;

interface Waiting {
  resolve: (message: Buffer) => void;
  reject: (reason: Error) => void;
  body: Buffer[];
}

/** One connection, for requests of up to 16 KiB. More calls at once than the server allows fail. */
export function connectHttp2Unary({ url, method }: Target): Connection {
  const { host, hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay();
  const waiting = new Map<number, Waiting>();
  const write = writer((bytes) => socket.write(bytes));
  const { send, widen } = sender(write);
  let received = 0;
  let nextStream = 1;

  const fail = (reason: string) => {
    for (const { reject } of waiting.values()) reject(new Error(`${method}: ${reason}`));
    waiting.clear();
  };
  const settle = (stream: number, trailers: Buffer) => {
    const call = waiting.get(stream);
    waiting.delete(stream);
    if (isStatusOk(trailers)) call?.resolve(Buffer.concat(call.body).subarray(prefixBytes));
    else call?.reject(new Error(`${method}: the answer is not grpc-status 0`));
  };
  const take = ({ type, flags, stream, payload }: Frame) => {
    switch (type) {
      case frame.data:
        waiting.get(stream)?.body.push(payload);
        received += payload.byteLength;
        if (received < maxWindow / 2) return;
        write(windowUpdate(received));
        received = 0;
        return;
      case frame.headers:
        if (flags & flag.endStream) settle(stream, payload);
        return;
      case frame.windowUpdate:
        if (stream === 0) widen(payload.readUInt32BE());
        return;
      case frame.settings:
      case frame.ping:
        if (!(flags & flag.ack)) write(frameOf(type, flag.ack, type === frame.ping ? payload : undefined));
        return;
      case frame.reset:
        return fail("the server reset a call");
      case frame.goAway:
        return fail("the server wants the connection closed");
    }
  };
  socket.on("error", ({ message }) => fail(message));
  socket.on("close", () => fail("the connection is closed"));
  readFrames(socket, take);
  write(preface());

  const firstHead = requestHead(firstHeaders({ authority: host, path: `/${method}` }));
  return {
    envelope: dataFrame,
    call: (request) =>
      new Promise((resolve, reject) => {
        if (socket.destroyed) return reject(new Error(`${method}: the connection is closed`));
        const stream = nextStream;
        nextStream += 2;
        waiting.set(stream, { resolve, reject, body: [] });
        const head = Buffer.from(stream === 1 ? firstHead : laterHead);
        head.writeUInt32BE(stream, streamAt);
        request.writeUInt32BE(stream, streamAt);
        send({ head, body: request });
      }),
    close: () => void socket.destroy(),
  };
}

/** All that one turn of the event loop has to send leaves in one piece. */
function writer(flush: (bytes: Buffer) => void): (bytes: Buffer) => void {
  let out: Buffer[] = [];
  return (bytes) => {
    if (out.push(bytes) > 1) return;
    setImmediate(() => {
      flush(Buffer.concat(out));
      out = [];
    });
  };
}

interface Request {
  head: Buffer;
  body: Buffer;
}

/** Sends no more than the server takes over this connection; what has to wait waits in order. */
function sender(write: (bytes: Buffer) => void) {
  let window = 65_535;
  const blocked: Request[] = [];
  const send = (request: Request) => {
    const bytes = request.body.byteLength - frameHeadBytes;
    // The numbers of streams must rise, so nothing overtakes.
    if (blocked.length > 0 || bytes > window) return void blocked.push(request);
    window -= bytes;
    write(request.head);
    write(request.body);
  };
  const widen = (bytes: number) => {
    window += bytes;
    for (const request of blocked.splice(0)) send(request);
  };
  return { send, widen };
}

/** A message of gRPC as the only DATA frame of a stream. */
function dataFrame(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.byteLength, 1);
  const body = Buffer.concat([prefix, message]);
  if (body.byteLength > maxFrameBytes)
    throw new RangeError(`${message.byteLength} bytes do not fit in a frame`);
  return frameOf(frame.data, flag.endStream, body);
}

function requestHead(headers: Buffer): Buffer {
  return frameOf(frame.headers, flag.endHeaders, headers);
}

const laterHead = requestHead(laterHeaders);
