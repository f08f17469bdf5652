import { usageFailure } from "../../failure.ts";

/** What a file is known by; more bytes than the longest mark has. */
const headBytes = 4;

/**
 * The bytes of a text without the byte order mark that some programs begin it with.
 *
 * @throws Failure before the first byte if it begins as no UTF-8 text does.
 */
export async function* textBytes(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = Buffer.concat([head, chunk]);
    if (head.length < headBytes) continue;
    yield withoutMark(head);
    head = undefined;
  }
  if (head !== undefined && head.length > 0) yield withoutMark(head);
}

const mark = Buffer.from([0xef, 0xbb, 0xbf]);

function withoutMark(head: Buffer): Buffer {
  refuseOthers(head);
  return head.subarray(0, mark.length).equals(mark) ? head.subarray(mark.length) : head;
}

const convert = (from: string) => `convert it, as with iconv -f ${from} -t UTF-8`;

/** Formats that people often send instead of a text, and what to do about it. */
const others: [begin: number[], what: string, hint: string][] = [
  [[0xff, 0xfe], "UTF-16", convert("UTF-16")],
  [[0xfe, 0xff], "UTF-16", convert("UTF-16")],
  [[0x1f, 0x8b], "compressed (gzip)", "unpack it, as with zcat FILE | event ingest --file - --name FILE"],
  [[0x28, 0xb5, 0x2f, 0xfd], "compressed (zstd)", "unpack it, as with zstdcat FILE | event ingest --file -"],
  [[0x50, 0x4b, 0x03, 0x04], "a zip archive or a spreadsheet", "unpack it, or save it as CSV in UTF-8"],
];

function refuseOthers(head: Buffer): void {
  const known = others.find(([begin]) => begin.every((byte, at) => head[at] === byte));
  if (known !== undefined) throw usageFailure(`the file must be UTF-8, but it is ${known[1]}`, known[2]);
  const zero = head.subarray(0, headBytes).indexOf(0);
  if (zero === -1) return;
  throw usageFailure(
    "the file must be UTF-8, but it begins with NUL bytes as UTF-16 does",
    convert(zero === 0 ? "UTF-16BE" : "UTF-16LE"),
  );
}
