import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressedFlag } from "@connectrpc/connect/protocol";
import { type ByteAccount, type ByteBudget, overBudget } from "./byte-budget.ts";
import type { Inspect } from "../inspect/inspect.ts";

/** A call that is being received. */
export interface Intake {
  method: DescMethod;
  header: Headers;
  /** Whether its messages are JSON. */
  json: boolean;
  account: ByteAccount;
}

/** The limits for all calls. */
export interface IntakeLimits {
  budget: ByteBudget;
  inspect: Inspect;
  readMaxBytes: number;
}

/** In front of a message: flags, and its length. */
const prefixBytes = 5;

/**
 * The body of a call in whole messages, inspected unless they are compressed, and counted until the account is closed; in
 * a stream of requests until the next message is asked for: what its handler keeps, the handler has to bound.
 *
 * Reading it ends with a ConnectError UNAVAILABLE if it does not fit, before anything came if the header says so.
 */
export function receive(
  body: AsyncIterable<Uint8Array>,
  intake: Intake,
  limits: IntakeLimits,
): AsyncIterable<Uint8Array> {
  const hasEnvelopes = /^application\/(?:grpc|connect)/i.test(intake.header.get("content-type") ?? "");
  return hasEnvelopes ? envelopes(body, intake, limits) : wholeBody(body, intake, limits);
}

/** A message of the call was decompressed. @throws ConnectError as its body does. */
export function unpacked(message: Uint8Array, intake: Intake, { inspect }: IntakeLimits): void {
  intake.account.add(message.byteLength);
  inspect(message, messageTypeOf(intake));
}

function messageTypeOf({ method, json }: Intake): { schema: DescMessage; json: boolean } {
  return { schema: method.input, json };
}

/** Before anything is read. */
function checkRoom(intake: Intake, { budget, readMaxBytes }: IntakeLimits): void {
  const declared = Number(intake.header.get("content-length")) || 0;
  if (!isStream(intake) && !budget.fits(Math.min(declared, readMaxBytes))) throw overBudget();
}

function isStream({ method: { methodKind } }: Intake): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

async function* wholeBody(
  body: AsyncIterable<Uint8Array>,
  intake: Intake,
  limits: IntakeLimits,
): AsyncGenerator<Uint8Array> {
  checkRoom(intake, limits);
  const { inspect, readMaxBytes } = limits;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    intake.account.add(chunk.byteLength);
    chunks.push(chunk);
    length += chunk.byteLength;
    // Too long: the decoder says so.
    if (length > readMaxBytes) break;
  }
  const message = Buffer.concat(chunks);
  const isCompressed = (intake.header.get("content-encoding") ?? "identity") !== "identity";
  if (!isCompressed && length <= readMaxBytes) inspect(message, messageTypeOf(intake));
  yield message;
}

async function* envelopes(
  body: AsyncIterable<Uint8Array>,
  intake: Intake,
  limits: IntakeLimits,
): AsyncGenerator<Uint8Array> {
  checkRoom(intake, limits);
  const { inspect, readMaxBytes } = limits;
  let chunks: Uint8Array[] = [];
  let length = 0;
  let wanted = prefixBytes;
  for await (const chunk of body) {
    intake.account.add(chunk.byteLength);
    chunks.push(chunk);
    length += chunk.byteLength;
    while (length >= wanted) {
      const held = joined(chunks);
      chunks = [held];
      wanted = prefixBytes + held.readUInt32BE(1);
      // Too long: the decoder says so.
      if (wanted > prefixBytes + readMaxBytes) return yield held;
      if (length < wanted) break;
      if (((held[0] ?? 0) & compressedFlag) === 0)
        inspect(held.subarray(prefixBytes, wanted), messageTypeOf(intake));
      yield held.subarray(0, wanted);
      chunks = [held.subarray(wanted)];
      length -= wanted;
      wanted = prefixBytes;
      if (isStream(intake)) intake.account.keep(length);
    }
  }
  // Connect overlooks a message of which nothing but its length came.
  if (length > 0) throw new ConnectError("protocol error: incomplete envelope", Code.InvalidArgument);
}

/** Many messages may be in one chunk: it is not copied for each of them. */
function joined(chunks: readonly Uint8Array[]): Buffer {
  const [first, second] = chunks;
  if (first === undefined || second !== undefined) return Buffer.concat(chunks);
  return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
}
