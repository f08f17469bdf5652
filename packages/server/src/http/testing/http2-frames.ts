const types = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
] as const;

/** Frame types of RFC 9113. */
export type FrameType = (typeof types)[number];

/** Flags of RFC 9113; END_STREAM is also ACK. */
export const flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 } as const;

/** What an HTTP/2 client sends first, with empty settings. */
export const unacknowledgedHello: Buffer = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame("SETTINGS", { streamId: 0 }),
]);

/** The same, and the consent to the server's settings, which only then bind the client. */
export const hello: Buffer = Buffer.concat([
  unacknowledgedHello,
  frame("SETTINGS", { streamId: 0, flags: flag.ack }),
]);

/** A frame as received. */
export interface Frame {
  type: FrameType | "unknown";
  flags: number;
  streamId: number;
  payload: Buffer;
}

/** The bytes of one frame. */
export function frame(
  type: FrameType,
  { flags = 0, streamId, payload = Buffer.alloc(0) }: { flags?: number; streamId: number; payload?: Buffer },
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = types.indexOf(type);
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, payload]);
}

/** Header fields as HPACK literals that are never indexed, without Huffman coding (RFC 7541, 6.2.3). */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0x10]), text(name), text(value)]));
}

/** A HEADERS frame of a request. */
export function request(
  fields: Record<string, string>,
  { streamId = 1, end = true }: { streamId?: number; end?: boolean } = {},
): Buffer {
  const flags = flag.endHeaders | (end ? flag.endStream : 0);
  return frame("HEADERS", { flags, streamId, payload: headerBlock(Object.entries(fields)) });
}

/** A 32-bit number, as error codes and window sizes are sent. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** The complete frames in `bytes`. */
export function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: types[bytes.readUInt8(at + 3)] ?? "unknown",
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** HPACK integer with a prefix of 7 bits (RFC 7541, 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
