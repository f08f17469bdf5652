import { expect, onTestFinished, test, vi } from "vitest";
import { createLogOutput } from "./log-output.ts";

const kib = (letter: string, count: number) => `${letter.repeat(count * 1024 - 1)}\n`;

/** An output whose reader takes so many bytes; "gone": there is no reader. */
function setup() {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let takes: number | "gone" = Number.POSITIVE_INFINITY;
  let read = "";
  const tryWrite = (pieces: readonly Uint8Array[]) => {
    if (takes === "gone") throw new Error("EPIPE");
    const taken = Buffer.concat(pieces).subarray(0, takes);
    takes -= taken.byteLength;
    read += taken.toString();
    return taken.byteLength;
  };
  const output = createLogOutput({ tryWrite, lossEntry: (lines) => `lost ${lines}\n` });
  const reader = {
    takes: (bytes: number | "gone") => void (takes = bytes),
    read: () => read,
  };
  return { output, reader, later: () => vi.advanceTimersByTime(1000) };
}

test("an entry is written at once", () => {
  const { output, reader } = setup();
  output.write("one\n");
  expect(reader.read()).toBe("one\n");
  output.write("grün\n");
  expect([reader.read(), output.droppedLines]).toEqual(["one\ngrün\n", 0]);
});

test("what a slow reader does not take at once comes later, whole and in order", () => {
  const { output, reader, later } = setup();
  reader.takes(5);
  for (const entry of ["one\n", "two\n", "three\n"]) output.write(entry);
  expect(reader.read()).toBe("one\nt");
  later();
  expect(reader.read()).toBe("one\nt");
  reader.takes(4);
  later();
  expect(reader.read()).toBe("one\ntwo\nt");
  reader.takes(Number.POSITIVE_INFINITY);
  later();
  output.write("four\n");
  expect([reader.read(), output.droppedLines]).toEqual(["one\ntwo\nthree\nfour\n", 0]);
});

test("a reader that stalls costs the entries that no longer fit, in one gap that is told", () => {
  const { output, reader, later } = setup();
  reader.takes(0);
  for (const letter of ["a", "b"]) output.write(kib(letter, 500));
  for (const letter of ["c", "d"]) output.write(kib(letter, 500));
  // It would fit, but the gap is where it is told.
  output.write("small\n");
  later();
  expect([reader.read(), output.droppedLines]).toEqual(["", 3]);
  reader.takes(Number.POSITIVE_INFINITY);
  later();
  expect(reader.read()).toBe(`${kib("a", 500)}${kib("b", 500)}lost 3\n`);
  output.write("after\n");
  expect(reader.read().endsWith("lost 3\nafter\n")).toBe(true);
  expect(output.droppedLines).toBe(3);
});

test("a reader that stalls a second time is told of again, with what was lost since", () => {
  const { output, reader, later } = setup();
  for (const lost of [2, 1]) {
    reader.takes(0);
    output.write(kib("a", 1000));
    for (let entry = 0; entry < lost; entry++) output.write(kib("b", 1000));
    reader.takes(Number.POSITIVE_INFINITY);
    later();
    expect(reader.read().endsWith(`\nlost ${lost}\n`)).toBe(true);
  }
  expect(output.droppedLines).toBe(3);
});

test("without a reader every entry is lost and counted, and the first one that is read is preceded by their number", () => {
  const { output, reader } = setup();
  reader.takes("gone");
  for (const entry of ["one\n", "two\n", "three\n"]) output.write(entry);
  expect([reader.read(), output.droppedLines]).toEqual(["", 3]);
  reader.takes(Number.POSITIVE_INFINITY);
  output.write("four\n");
  expect([reader.read(), output.droppedLines]).toEqual(["lost 3\nfour\n", 3]);
});

test("a line that was torn when its reader went is ended before the next one", () => {
  const { output, reader, later } = setup();
  reader.takes(2);
  output.write("one\n");
  reader.takes("gone");
  later();
  expect(output.droppedLines).toBe(1);
  reader.takes(Number.POSITIVE_INFINITY);
  output.write("two\n");
  output.write("three\n");
  expect(reader.read()).toBe("on\nlost 1\ntwo\nthree\n");
});

test("at the end what waits is written if somebody reads it, and given up if nobody does", () => {
  const { output, reader } = setup();
  reader.takes(0);
  output.write("last\n");
  output.flush(1);
  expect(reader.read()).toBe("");
  reader.takes(3);
  output.flush(1);
  expect(reader.read()).toBe("las");
  reader.takes(Number.POSITIVE_INFINITY);
  output.flush(60_000);
  expect(reader.read()).toBe("last\n");
});

test("at the end it is waited for a reader that needs a moment", () => {
  let tries = 0;
  let read = "";
  const tryWrite = (pieces: readonly Uint8Array[]) => {
    if (++tries < 4) return 0;
    read += Buffer.concat(pieces).toString();
    return Buffer.concat(pieces).byteLength;
  };
  const output = createLogOutput({ tryWrite, lossEntry: String });
  output.write("last\n");
  output.flush(60_000);
  expect(read).toBe("last\n");
});
