import type { OutgoingHttpHeaders } from "node:http";
import type { ConnectError, HandlerContext } from "@connectrpc/connect";
import type { Answer } from "./exchange.ts";

/** What the fields of an answer are made of. */
export interface AnswerFields extends Pick<HandlerContext, "responseHeader" | "responseTrailer"> {
  /** The header of the answer, for Node. */
  readonly headers: OutgoingHttpHeaders;
  /** The trailers of the answer, for Node. */
  readonly trailers: OutgoingHttpHeaders;
  /** Whether somebody may have set a field of the answer's header. */
  readonly hasOwnHeaders: boolean;
}

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
  /** The longest valid body, given its first bytes; more than that is refused unread. */
  most(begin: Buffer, readMaxBytes: number): number;
  /** Decodes the message of a whole body. @throws ConnectError if the body is not exactly one message. */
  unwrap<T>(body: Buffer, readMaxBytes: number, decode: (message: Uint8Array) => T): T;
  /** The answer with a message, which is compressed as `encoding` says if that is given. */
  success(context: AnswerFields, message: Uint8Array, encoding: string | undefined): Answer;
  failure(context: AnswerFields, error: ConnectError): Answer;
}

/** What a content type says: a protocol, and how messages are encoded. */
export interface Form {
  protocol: UnaryProtocol;
  json: boolean;
  /** The header of an answer without anything special about it. */
  headers: { "content-type": string; "cache-control": "no-store" };
}
