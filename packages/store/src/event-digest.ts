import { createHash } from "node:crypto";

/** Bytes of a digest: two contents that share it by chance are not to be expected in any number of events. */
const digestBytes = 16;

/**
 * Stands for the content of an event, that which decides between DUPLICATE and CONFLICT, where the content itself is not
 * at hand. The length of the type is part of it, so that no other cut of the same bytes has the same digest.
 */
export function eventDigest(type: string, payload: Uint8Array): Uint8Array {
  const typeBytes = Buffer.byteLength(type);
  const head = Buffer.allocUnsafe(4 + typeBytes);
  head.writeUInt32BE(typeBytes);
  head.write(type, 4);
  return createHash("sha256").update(head).update(payload).digest().subarray(0, digestBytes);
}
