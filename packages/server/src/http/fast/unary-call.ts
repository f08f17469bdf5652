import { constants } from "node:http2";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouterOptions } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { Member } from "../bag.ts";
import { overBudget } from "../connect/byte-budget.ts";
import { correctError } from "../connect/correct-errors.ts";
import type { Deadlines } from "../deadlines.ts";
import { timedOut } from "../connect/late-call.ts";
import { clientError, hideError, type RpcFailure } from "../connect/hide-errors.ts";
import type { IntakeLimits } from "../connect/intake.ts";
import type { Limits } from "../limits.ts";
import { discardedMessages } from "../linger.ts";
import { type Aborting, CallContext, type CallStart } from "./call-context.ts";
import type { Answer, Exchange, Receiver } from "./exchange.ts";
import type { Output, Rpc } from "./rpc.ts";
import { tooLarge } from "./too-large.ts";
import type { Form } from "./unary-protocol.ts";

/** What the calls of a server share. */
export interface Surroundings extends Aborting {
  limits: IntakeLimits & Pick<Limits, "compressMinBytes">;
  /** Gets the calls that are being received. */
  receiving: Deadlines<UnaryCall>;
  requestGate: ConnectRouterOptions["requestGate"];
  /** For large answers to clients that accept it. */
  compression: Compression;
  onError: (failure: RpcFailure) => void;
}

/** What a call is. */
export interface UnaryCallStart extends CallStart {
  rpc: Rpc;
  /** How long its client may take, in ms, to send its last byte. */
  receiveMs: number;
}

/**
 * The course of a call: it is received, handled, and over.
 *
 * - received: its bytes are kept and counted, under a deadline. Left with the last byte; or with an error as soon as it is certain
 *   that the call cannot be served. Then its exchange ends once the answer has left, and the rest of the request is discarded.
 * - handled: its handler runs, and its bytes still count.
 * - over: it is answered, or its client has gone, whatever came first. Later events change nothing.
 */
export class UnaryCall implements Receiver {
  readonly exchange: Exchange;
  over = false;
  readonly #rpc: Rpc;
  readonly #form: Form;
  readonly #receiveMs: number;
  readonly #surroundings: Surroundings;
  readonly #context: CallContext;
  #receiving: Member<UnaryCall> | undefined;
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(start: UnaryCallStart, surroundings: Surroundings) {
    this.exchange = start.exchange;
    this.#rpc = start.rpc;
    this.#form = start.form;
    this.#receiveMs = start.receiveMs;
    this.#surroundings = surroundings;
    this.#context = new CallContext(start, surroundings);
  }

  begin(): void {
    const { requestGate, receiving } = this.#surroundings;
    this.#receiving = receiving.add(this, performance.now() + this.#receiveMs);
    this.exchange.open(this);
    if (requestGate === undefined) this.#receive();
    else void this.#passThrough(requestGate);
  }

  data(chunk: Buffer): void {
    const { budget, readMaxBytes } = this.#surroundings.limits;
    if (this.over) return;
    if (!budget.take(chunk.length)) return this.#fail(overBudget());
    this.#length += chunk.length;
    this.#chunks.push(chunk);
    const most = this.#form.protocol.most(this.#chunks[0] ?? chunk, readMaxBytes);
    if (this.#length > most) void this.#handle();
  }

  end(): void {
    this.#receiving?.leave();
    if (!this.over) void this.#handle();
  }

  close(): void {
    this.#receiving?.leave();
    this.#context.leave();
    this.#finish();
  }

  async #passThrough(gate: NonNullable<Surroundings["requestGate"]>): Promise<void> {
    try {
      const passing = gate(this.#context);
      if (passing !== undefined) await passing;
    } catch (error) {
      this.#fail(error);
    }
    this.#receive();
  }

  #receive(): void {
    if (this.exchange.gone) return;
    const { budget, readMaxBytes } = this.#surroundings.limits;
    const declared = Number(this.exchange.headers["content-length"]) || 0;
    if (this.#context.isLate) this.#fail(timedOut);
    else if (!budget.fits(Math.min(declared, readMaxBytes))) this.#fail(overBudget());
    else if (declared > readMaxBytes && !this.#form.protocol.hasEnvelopes)
      this.#fail(tooLarge(readMaxBytes, declared));
    this.exchange.read();
  }

  async #handle(): Promise<void> {
    const { protocol } = this.#form;
    try {
      if (this.#context.isLate) throw timedOut;
      const output = await this.#rpc.invoke(this.#decode(), this.#context);
      const message = this.#encode(output);
      const compression = this.#compressionFor(message);
      const sent = compression === undefined ? message : await compression.compress(message);
      this.#answer(protocol.success(this.#context, sent, compression?.name));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @throws ConnectError for an answer over its limit; one that cannot be encoded is a bug. */
  #encode(output: Output): Uint8Array {
    try {
      return this.#rpc.encode(output, this.#form.json);
    } catch (error) {
      if (error instanceof ConnectError && error.code === Code.ResourceExhausted) throw error;
      const { method } = this.#rpc;
      const cause = error instanceof ConnectError ? (error.cause ?? error) : error;
      throw hideError(cause, `${method.parent.typeName}/${method.name}`, this.#surroundings.onError);
    }
  }

  #decode(): Message {
    const { readMaxBytes, inspect } = this.#surroundings.limits;
    const { protocol, json } = this.#form;
    const [first] = this.#chunks;
    const body = first?.length === this.#length ? first : Buffer.concat(this.#chunks);
    return protocol.unwrap(body, readMaxBytes, (message) => {
      inspect(message, { schema: this.#rpc.method.input, json });
      return this.#rpc.decode(message, json);
    });
  }

  #compressionFor({ length }: Uint8Array): Compression | undefined {
    const { compression, limits } = this.#surroundings;
    if (length < limits.compressMinBytes) return undefined;
    const accepted = String(this.exchange.headers[this.#form.protocol.fields.acceptEncoding]).split(",");
    return accepted.some((name) => name.trim() === compression.name) ? compression : undefined;
  }

  #fail(reason: unknown): void {
    const { onError } = this.#surroundings;
    const error = clientError(reason, this.#context, onError);
    correctError(error);
    try {
      this.#answer(this.#form.protocol.failure(this.#context, error));
    } catch (unsendable) {
      hideError(unsendable, this.exchange.path, onError);
      this.exchange.cut(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #answer(answer: Answer): void {
    if (this.over || this.exchange.gone) return;
    this.exchange.answer(answer);
    this.#context.end();
    this.#finish();
    if (this.exchange.received) return;
    this.#receiving?.leave();
    this.exchange.endEarly(discardedMessages * this.#surroundings.limits.readMaxBytes);
  }

  #finish(): void {
    this.over = true;
    this.#surroundings.limits.budget.give(this.#length);
    this.#length = 0;
    this.#chunks = [];
  }
}
