import type { EventRequest } from "@event-ingestion/api";

/** The facts about an attempt, for its handler. */
export interface HandlerContext {
  /** The same at every attempt and after a redrive: a key for what the handler changes elsewhere. */
  readonly jobId: string;
  /** Rises for the life of the job, from 1; numbers may be left out. */
  readonly attempt: number;
  /** The last attempt that the job gets. */
  readonly maxAttempts: number;
  /** When the event was stored. */
  readonly acceptedAt: Date;
  /** Whose event it is; "" is the built-in tenant. */
  readonly tenant: string;
  /**
   * Aborts when the outcome of this attempt no longer counts, or will not for long: the job was cancelled or timed out
   * (a "TimeoutError"), the worker shuts down or has lost its session.
   */
  readonly signal: AbortSignal;
}

/**
 * Processes one event. What it returns is the result of the job, text of at most 64 KiB. Whatever it throws fails the
 * attempt, and the job is tried again after a growing delay; see `Reject` and `RetryLater`.
 *
 * Runs at least once for each event, hence sometimes twice.
 */
export type HandlerFunction = (event: EventRequest, context: HandlerContext) => Promise<string | void>;

// Registered symbols: a handlers module that is bundled on its own brings its own copy of this file.
const handlerMark: unique symbol = Symbol.for("@event-ingestion/worker/Handler");
const rejectMark = Symbol.for("@event-ingestion/worker/Reject");
const retryLaterMark = Symbol.for("@event-ingestion/worker/RetryLater");

/** Made by `defineHandler`. */
export interface Handler {
  readonly type: string;
  readonly run: HandlerFunction;
  readonly [handlerMark]: true;
}

/** The type of the handler for all events that have none of their own. */
export const defaultType = "*";

/**
 * Says how events of one type are processed. The type "*" is the default handler: it gets the events without a type
 * and those whose type has no handler.
 *
 * @throws TypeError if the type is empty or `run` is no function.
 */
export function defineHandler(type: string, run: HandlerFunction): Handler {
  if (typeof type !== "string" || type === "") {
    throw new TypeError(
      `the type of a handler must be a text, "${defaultType}" for the default handler, got ${describe(type)}`,
    );
  }
  if (typeof run !== "function") {
    throw new TypeError(`the handler for "${type}" must be a function, got ${describe(run)}`);
  }
  return { type, run, [handlerMark]: true };
}

/** Thrown by a handler: the event can never be processed, and its job is dead at once. */
export class Reject extends Error {
  override readonly name = "Reject";
  static {
    mark(this.prototype, rejectMark);
  }
}

/** The longest delay that `RetryLater` takes: 365 days. */
export const maxDelayMs: number = 365 * 24 * 3600 * 1000;

/** Thrown by a handler: the attempt failed, and the next one shall not begin before `delayMs` have passed. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  static {
    mark(this.prototype, retryLaterMark);
  }
  readonly delayMs: number;

  /** @throws RangeError unless the delay is 0 to 365 days in ms. */
  constructor(delayMs: number, reason = `to be tried again in ${delayMs} ms`) {
    super(reason);
    if (!(delayMs >= 0 && delayMs <= maxDelayMs)) {
      throw new RangeError(`delayMs of RetryLater must be from 0 to ${maxDelayMs}, got ${String(delayMs)}`);
    }
    this.delayMs = delayMs;
  }
}

/** Knows `Reject` of every copy of this package. */
export function isReject(thrown: unknown): boolean {
  return hasMark(thrown, rejectMark);
}

/** Knows `RetryLater` of every copy of this package, and of subclasses that say anything as their delay. */
export function isRetryLater(thrown: unknown): thrown is { readonly delayMs: unknown } {
  return hasMark(thrown, retryLaterMark);
}

/** A list of handlers cannot be used; the message says what was wrong and what was expected. */
export class HandlersError extends Error {
  override readonly name = "HandlersError";
}

/**
 * The value, if it is a list of handlers that a worker can run.
 *
 * @throws HandlersError that calls the value `name`.
 */
export function checkHandlers(name: string, value: unknown): readonly Handler[] {
  const fail = (wanted: string, got: string) => new HandlersError(`${name} must ${wanted}, got ${got}`);
  if (!Array.isArray(value)) throw fail("be an array of handlers made by defineHandler", describe(value));
  if (value.length === 0) throw fail("have at least one handler made by defineHandler", "none");
  const handlers = new Map<string, Handler>();
  for (const [index, handler] of value.entries()) {
    if (!isHandler(handler)) {
      throw fail("hold only handlers made by defineHandler", `${describe(handler)} at index ${index}`);
    }
    if (handlers.has(handler.type)) throw fail("have one handler for each type", `two for "${handler.type}"`);
    handlers.set(handler.type, handler);
  }
  return [...handlers.values()];
}

/** Knows the handlers of every copy of this package. */
export function isHandler(value: unknown): value is Handler {
  return hasMark(value, handlerMark);
}

function mark(prototype: object, symbol: symbol): void {
  Object.defineProperty(prototype, symbol, { value: true });
}

function hasMark(value: unknown, symbol: symbol): boolean {
  return typeof value === "object" && value !== null && symbol in value;
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (value === "") return "an empty text";
  return value === undefined ? "undefined" : `a value of type ${typeof value}`;
}
