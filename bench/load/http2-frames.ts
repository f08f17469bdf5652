import type { Socket } from "node:net";
import { grpcHeaders } from "./client-headers.ts";

/** What this client needs of the frame types of HTTP/2. */
export const frame = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;
export const frameHeadBytes = 9;
export const maxWindow: number = 2 ** 31 - 1;

/** Calls `take` with every frame that arrives. */
export function readFrames(socket: Socket, take: (frame: Frame) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.byteLength - at >= frameHeadBytes) {
      const start = at + frameHeadBytes;
      const end = start + bytes.readUIntBE(at, 3);
      if (end > bytes.byteLength) break;
      const [type, flags, stream] = [
        bytes.readUInt8(at + 3),
        bytes.readUInt8(at + 4),
        bytes.readUInt32BE(at + 5),
      ];
      take({ type, flags, stream, payload: bytes.subarray(start, end) });
      at = end;
    }
    rest = bytes.subarray(at);
  });
}

/** One frame as it arrived. */
export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Buffer;
}

/** What a connection begins with: no push, no compressed answers that refer to earlier ones, no waiting for windows. */
export function preface(): Buffer {
  const settings = Buffer.alloc(18);
  const set = (at: number, id: number, value: number) =>
    settings.writeUInt32BE(value, settings.writeUInt16BE(id, at));
  set(0, settingIds.headerTableSize, 0);
  set(6, settingIds.enablePush, 0);
  set(12, settingIds.initialWindowSize, maxWindow);
  const hello = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  return Buffer.concat([hello, frameOf(frame.settings, 0, settings), windowUpdate(maxWindow - 65_535)]);
}

const settingIds = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4 };

/** A frame of stream 0; the number of another one is written over bytes 5 to 8. */
export function frameOf(type: number, flags: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  return Buffer.concat([head, payload]);
}

/** Lets the server send so many more bytes over the connection. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frameOf(frame.windowUpdate, 0, payload);
}

/** The headers of the first gRPC request of a connection; the server remembers all that are spelled out. */
export function firstHeaders({ authority, path }: { authority: string; path: string }): Buffer {
  const fields = Object.entries({ ":path": path, ":authority": authority, ...grpcHeaders });
  const remembered = fields.flatMap(([name, value]) => [Buffer.of(0x40), text(name), text(value)]);
  return Buffer.concat([postOverHttp, ...remembered]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
}

// Two numbers of the static table of HPACK: the method and the scheme.
const postOverHttp = Buffer.of(0x83, 0x86);
const firstRemembered = 62;
const rememberedFields = 2 + Object.keys(grpcHeaders).length;

/** The same headers again: those that are remembered have the numbers from 62 on, newest first. */
export const laterHeaders: Buffer = Buffer.concat([
  postOverHttp,
  Buffer.from(
    Array.from(
      { length: rememberedFields },
      (_, index) => 0x80 | (firstRemembered + rememberedFields - 1 - index),
    ),
  ),
]);

/** Whether these trailers say grpc-status 0, in one of the two ways that HPACK has to write text. */
export function isStatusOk(trailers: Buffer): boolean {
  return statusNames.some((name) => {
    const at = trailers.indexOf(name);
    const value = at + name.byteLength;
    return at >= 0 && trailers[value] === 1 && trailers[value + 1] === zero;
  });
}

const zero = "0".charCodeAt(0);
const statusNames = [Buffer.from("9acac8b21234da8f", "hex"), Buffer.from("grpc-status")];
