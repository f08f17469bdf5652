// Reads no more of an answer than it takes to believe it, so that the generator stays cheap. Servers write the fields
// of a message in the order of their numbers, which makes the interesting ones the first.

const fieldOneVarint = 0x08;
const fieldOneBytes = 0x0a;

/** Whether an EventResponse begins with accepted = true. */
export function isAccepted(response: Buffer): boolean {
  return response[0] === fieldOneVarint && response[1] === 1;
}

/** How many results of an IngestBatchResponse begin with accepted = true. */
export function countAccepted(response: Buffer): number {
  let count = 0;
  let at = 0;
  while (response[at] === fieldOneBytes) {
    const [length, start] = varint(response, at + 1);
    if (response[start] === fieldOneVarint && response[start + 1] === 1) count++;
    at = start + length;
  }
  return count;
}

/** The `status` of a StatusResponse. */
export function statusOf(response: Buffer): string {
  if (response[0] !== fieldOneBytes) return "";
  const [length, start] = varint(response, 1);
  return response.toString("latin1", start, start + length);
}

/** The number at `at`, and where it ends. */
function varint(bytes: Buffer, at: number): [value: number, end: number] {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
  }
}
