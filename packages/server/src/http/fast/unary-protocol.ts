import type { ConnectError } from "@connectrpc/connect";
import type { CallContext } from "./call-context.ts";
import type { Answer } from "./exchange.ts";

/** How a protocol puts a unary call into an HTTP request and its answer. */
export interface UnaryProtocol {
  name: "connect" | "grpc";
  /** Header fields, in lower case: the time that the client gives, the coding of the body, the codings of an answer. */
  fields: { timeout: string; encoding: string; acceptEncoding: string };
  parseTimeout: (value: string) => { timeoutMs?: number; error?: ConnectError | undefined };
  /** What the answer to a call that succeeds has for trailers. */
  trailers: Readonly<Record<string, string>>;
  /** Whether the body says how long its message is. */
  hasEnvelopes: boolean;
  /** How long a body that begins so may become; a longer one need not be received to know that it is wrong. */
  most(begin: Buffer, readMaxBytes: number): number;
  /** Decodes the message of a whole body. @throws ConnectError if the body is not exactly one message. */
  unwrap<T>(body: Buffer, readMaxBytes: number, decode: (message: Uint8Array) => T): T;
  /** The answer with a message, which is compressed as `encoding` says if that is given. */
  success(context: CallContext, message: Uint8Array, encoding: string | undefined): Answer;
  failure(context: CallContext, error: ConnectError): Answer;
}

/** What a content type says: a protocol, and how messages are encoded. */
export interface Form {
  protocol: UnaryProtocol;
  json: boolean;
  /** The header of an answer without anything special about it. */
  headers: { "content-type": string; "cache-control": "no-store" };
}
