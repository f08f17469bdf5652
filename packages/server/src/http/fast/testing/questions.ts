import { fromJsonString, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Random } from "../../testing/random.ts";

/** What `actor` reacts to, and messages of notable sizes. */
const words = [
  "context",
  "headers",
  "error with headers",
  "error with details",
  "long error",
  "bug",
  "abort error",
  "large",
  "too large",
  "not a message",
  "",
  "plain",
  "x".repeat(4000),
  "y".repeat(4990),
  "z".repeat(5100),
] as const;

/** A request. */
export interface Question {
  path: string;
  version: 1 | 2;
  fields: Record<string, string>;
  body: Buffer;
}

/** A unary call, or something that looks like one, over any protocol and format that has a fast path. */
export function question(random: Random): Question {
  const json = random.int(2) === 0;
  const kind = random.int(3);
  const path = `/test.Echo/${random.pick(["Say", "Say", "Get", "Nest", "Count", "None"])}`;
  const message = messageOf(random, { json, nest: path.endsWith("Nest") });
  const fields: Record<string, string> = {};
  const version = kind === 2 ? 1 : 2;
  if (kind === 0) {
    fields["content-type"] = random.pick(
      json ? ["application/grpc+json"] : ["application/grpc", "application/grpc+proto"],
    );
    if (random.int(4) === 0)
      fields["grpc-timeout"] = random.pick([
        "1H",
        "10S",
        "0S",
        "1n",
        "99999999H",
        "x",
        "",
        "1",
        "-1S",
        "123456789S",
      ]);
    if (random.int(3) === 0)
      fields["grpc-accept-encoding"] = random.pick(["gzip", "identity,deflate,gzip", "br, gzip", "br", ""]);
    if (random.int(10) === 0) fields["grpc-encoding"] = random.pick(["identity", "gzip", "br", ""]);
  } else {
    fields["content-type"] = json
      ? random.pick([
          "application/json",
          "application/json",
          "application/json; charset=utf-8",
          "Application/JSON",
        ])
      : "application/proto";
    if (random.int(4) === 0)
      fields["connect-timeout-ms"] = random.pick(["10000", "0", "9999999999", "x", "", "-1", "99999999999"]);
    if (random.int(3) === 0)
      fields["accept-encoding"] = random.pick(["gzip", "gzip, br", "br;q=1, gzip", "br", ""]);
    if (random.int(10) === 0) fields["content-encoding"] = random.pick(["identity", "gzip", "br", ""]);
    if (random.int(4) === 0) fields["connect-protocol-version"] = random.pick(["1", "2"]);
  }
  if (random.int(4) === 0) fields["x-custom"] = random.pick(["a", "a, b", "\u00ff"]);
  const body = kind === 0 ? enveloped(random, message) : message;
  if (random.int(3) === 0) fields["content-length"] = String(body.length);
  return { path, version, fields, body };
}

function messageOf(random: Random, { json, nest }: { json: boolean; nest: boolean }): Buffer {
  const value = words[random.int(words.length)] ?? "";
  const text = JSON.stringify(nest ? { a: [value, null, 1.5, true] } : value);
  if (random.int(5) === 0)
    return json
      ? Buffer.from(random.pick(["", "{", "[1]", "true", '"\\ud800"', '"\ud800"', `"${value}`, "{}", "null"]))
      : Buffer.concat([Buffer.from([0x0a, 5 + random.int(100)]), random.bytes(random.int(60))]);
  if (json) return Buffer.from(text);
  const schema = nest ? ValueSchema : StringValueSchema;
  return Buffer.from(toBinary(schema, fromJsonString(schema, text)));
}

function enveloped(random: Random, message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  const odd = random.int(6) === 0;
  prefix[0] = odd ? random.pick([0, 1, 2, 0x80, 3]) : 0;
  const wrong = random.pick([0, 1, message.length + 1, Math.max(0, message.length - 1), 2 ** 32 - 1, 6000]);
  prefix.writeUInt32BE(odd && random.int(2) === 0 ? wrong : message.length, 1);
  const one = Buffer.concat([prefix, message]);
  if (!odd) return one;
  return random.pick([
    one,
    one,
    Buffer.concat([one, one]),
    Buffer.concat([one, prefix]),
    one.subarray(0, 3),
    Buffer.alloc(0),
  ]);
}
