import { hash } from "node:crypto";

/** Bytes of a digest: two contents that share it by chance are not to be expected in any number of events. */
const digestBytes = 16;

/**
 * Stands for the content of an event (type and payload), which decides between DUPLICATE and CONFLICT, where the content itself is
 * not at hand. The length of the type is part of the digest: otherwise the same bytes, divided differently, would have the same one.
 */
export function eventDigest(type: string, payload: Uint8Array): Uint8Array {
  const typeBytes = Buffer.byteLength(type);
  const content = Buffer.allocUnsafe(4 + typeBytes + payload.byteLength);
  content.writeUInt32BE(typeBytes);
  content.write(type, 4);
  content.set(payload, 4 + typeBytes);
  // At once and by way of a text: 0.7 us, where an object and a buffer of its own cost 1.6.
  return Buffer.from(hash("sha256", content, "binary").slice(0, digestBytes), "latin1");
}
