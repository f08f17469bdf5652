import { type DescMessage, fromJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { EventRequestSchema, IngestBatchRequestSchema } from "@event-ingestion/api";
import { expect, test } from "vitest";
import { seededRandom } from "../testing/random.ts";
import { inspectMessages } from "./inspect.ts";

const inspect = inspectMessages({});

/** What is said about a message in JSON; nothing if it may be decoded. */
function refusal(json: string, schema: DescMessage = EventRequestSchema): string | undefined {
  try {
    inspect(Buffer.from(json), { schema, json: true });
    return undefined;
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.InvalidArgument) return error.rawMessage;
    throw error;
  }
}

const inexact = (text: string) =>
  `timestamp must be exact, and a JSON number is not: send ${text} as a string, in quotes`;

test.each([
  "9007199254740993",
  "-9007199254740993",
  "9223372036854775807",
  "1700000000000000001",
  "9007199254740993.0",
  "9.007199254740993e15",
  "9223372037e9",
  "1.00000000000000001",
])("%s in a 64-bit field is refused by the name of the field", (text) => {
  expect(refusal(`{"timestamp":${text}}`)).toBe(inexact(text));
  expect(refusal(`{"timestamp" :\n${text} , "eventId":"e"}`)).toBe(inexact(text));
  expect(refusal(`{"time\\u0073tamp":${text}}`)).toBe(inexact(text));
  const schema = IngestBatchRequestSchema;
  expect(refusal(`{"events":[{"eventId":"a","timestamp":1},{"timestamp":${text}}]}`, schema)).toBe(
    inexact(text),
  );
});

test.each([
  `{"timestamp":"9007199254740993"}`,
  `{"timestamp":9007199254740992}`,
  `{"timestamp":-9223372036854775808}`,
  `{"timestamp":1700000000000000000}`,
  `{"timestamp":17e17}`,
  `{"timestamp":1.0}`,
  `{"timestamp":0.00000000000000000000}`,
  `{"unknown":9007199254740993}`,
  `{"seconds":9007199254740993}`,
  `{"payload":"{\\"timestamp\\":9007199254740993}"}`,
  `{"payload":"timestamp","unknown":9007199254740993}`,
  `{"timestamp":1,"payload":"\\\\","eventId":"9007199254740993"}`,
])("%s is taken", (json) => {
  expect(refusal(json)).toBeUndefined();
});

test("a number of any length and exponent is judged in no time", () => {
  const digits = "1".repeat(1_000_000);
  expect(refusal(`{"timestamp":${digits}}`)).toBeUndefined();
  expect(refusal(`{"timestamp":0.${digits}}`)).toBeUndefined();
  expect(refusal(`{"timestamp":1.${"0".repeat(1_000_000)}1}`)).toBe(inexact(`1.${"0".repeat(38)}...`));
  expect(refusal(`{"timestamp":1e-999999999}`)).toBe(inexact("1e-999999999"));
});

// SEED repeats a run.
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);

test(`numbers from seed ${seed}: what is taken is decoded as it was written`, () => {
  const random = seededRandom(seed);
  const wrong: string[] = [];
  let taken = 0;
  for (let n = 0; n < 5000; n++) {
    const digits = Array.from({ length: 1 + random.int(19) }, () => random.int(10)).join("");
    const mantissa = BigInt(digits) * (random.int(2) === 0 ? 1n : -1n);
    const zeros = random.int(19);
    const text = random.pick([`${mantissa}`, `${mantissa}e${zeros}`, `${mantissa}.${"0".repeat(zeros + 1)}`]);
    const value = text.includes("e") ? mantissa * 10n ** BigInt(zeros) : mantissa;
    if (value < -(2n ** 63n) || value >= 2n ** 63n) continue;
    const json = `{"timestamp":${text}}`;
    const isTaken = refusal(json) === undefined;
    const isExact = BigInt(Number(text)) === value;
    if (isTaken !== isExact || (isTaken && fromJsonString(EventRequestSchema, json).timestamp !== value))
      wrong.push(text);
    if (isTaken) taken++;
  }
  expect(wrong).toEqual([]);
  expect(taken).toBeGreaterThan(1000);
});
