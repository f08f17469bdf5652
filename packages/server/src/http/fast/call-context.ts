import type { OutgoingHttpHeaders } from "node:http";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import type { Member } from "../bag.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Exchange } from "./exchange.ts";
import { timedOut } from "../connect/late-call.ts";
import { nodeHeaders, webHeaders } from "./node-headers.ts";
import type { AnswerFields, Form } from "./unary-protocol.ts";

/** What a call is. */
export interface CallStart {
  rpc: { method: DescMethod };
  form: Form;
  exchange: Exchange;
  /** What its client gives it. */
  timeoutMs: number | undefined;
}

/** Who aborts calls. */
export interface Aborting {
  /** Gets the calls whose signal somebody looked at. */
  deadlines: Deadlines<CallContext>;
  shutdownSignal: AbortSignal | undefined;
}

/** Why signals abort; the same for all calls, as errors are dear. */
const left = new ConnectError("the client went away", Code.Canceled);
const over = new ConnectError("the call is over", Code.Canceled);

/**
 * A unary call, as its handler sees it. Handlers look at little of it: headers, the signal and its deadline are made
 * when somebody asks for them. Therefore a class, and no copy by spreading.
 */
export class CallContext implements HandlerContext, AnswerFields {
  readonly method: DescMethod;
  readonly #form: Form;
  readonly #exchange: Exchange;
  readonly #aborting: Aborting;
  readonly #deadline: number;
  #abortReason: unknown;
  #controller: AbortController | undefined;
  #waiting: Member<CallContext> | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor({ rpc, form, exchange, timeoutMs }: CallStart, aborting: Aborting) {
    this.method = rpc.method;
    this.#form = form;
    this.#exchange = exchange;
    this.#aborting = aborting;
    this.#deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs;
  }

  get service(): DescService {
    return this.method.parent;
  }

  get protocolName(): string {
    return this.#form.protocol.name;
  }

  get requestMethod(): string {
    return "POST";
  }

  get url(): string {
    const { secure, authority, path } = this.#exchange;
    return new URL(path, `${secure ? "https" : "http"}://${authority}`).toString();
  }

  get timeoutMs(): () => number | undefined {
    const deadline = this.#deadline;
    return () => (deadline === Number.POSITIVE_INFINITY ? undefined : deadline - performance.now());
  }

  /** Whether its time is over. */
  get isLate(): boolean {
    return this.#deadline !== Number.POSITIVE_INFINITY && this.#deadline <= performance.now();
  }

  get values(): ContextValues {
    return (this.#values ??= createContextValues());
  }

  get requestHeader(): Headers {
    return (this.#requestHeader ??= webHeaders(this.#exchange.headers));
  }

  get responseHeader(): Headers {
    return (this.#responseHeader ??= new Headers({ "content-type": this.#form.headers["content-type"] }));
  }

  get responseTrailer(): Headers {
    return (this.#responseTrailer ??= new Headers(this.#form.protocol.trailers));
  }

  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    this.#controller = new AbortController();
    const { deadlines, shutdownSignal } = this.#aborting;
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    else if (shutdownSignal?.aborted) this.#abort(shutdownSignal.reason);
    else if (this.isLate) this.timeOut();
    else this.#waiting = deadlines.add(this, this.#deadline);
    return this.#controller.signal;
  }

  /** Whether somebody may have set a field of the answer's header. */
  get hasOwnHeaders(): boolean {
    return this.#responseHeader !== undefined;
  }

  /** The header of the answer, for Node. */
  get headers(): OutgoingHttpHeaders {
    const { headers } = this.#form;
    if (this.#responseHeader === undefined) return headers;
    return { "cache-control": headers["cache-control"], ...nodeHeaders(this.#responseHeader) };
  }

  /** The trailers of the answer, for Node. */
  get trailers(): OutgoingHttpHeaders {
    if (this.#responseTrailer === undefined) return this.#form.protocol.trailers;
    return nodeHeaders(this.#responseTrailer);
  }

  timeOut(): void {
    this.#abort(timedOut);
  }

  /** The client went away. */
  leave(): void {
    this.#abort(left);
  }

  /** The server may wait no longer. */
  shutDown(): void {
    this.#abort(this.#aborting.shutdownSignal?.reason);
  }

  /** There is an answer. */
  end(): void {
    this.#abort(over);
  }

  /** The first reason stands. */
  #abort(reason: unknown): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#waiting?.leave();
    this.#controller?.abort(reason);
  }
}
