import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { endEarly } from "../early-end.ts";
import { endInTwo, isLarge } from "../large-answer.ts";

/** An answer. Trailers are for HTTP/2; without them or a body, the header ends it. */
export interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  body?: Uint8Array;
  trailers?: OutgoingHttpHeaders;
}

/** Who is told how a request goes on. */
export interface Receiver {
  data(chunk: Buffer): void;
  /** The whole body has come. */
  end(): void;
  /** Once, at last: the answer has left, or nobody waits for it any more. */
  close(): void;
}

/** An HTTP request and the way to answer it, over either version of HTTP. */
export interface Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly authority: string;
  readonly path: string;
  /** Whether it came over TLS. */
  readonly secure: boolean;
  /** Whether nobody waits for an answer. */
  readonly gone: boolean;
  /** Whether the whole body has come. */
  readonly received: boolean;
  /** Names the receiver, which is told of the end from now on. */
  open(receiver: Receiver): void;
  /** Begins to read the body. */
  read(): void;
  answer(answer: Answer): void;
  /** Ends it after an answer that was given before the whole body had come; of the rest `maxBytes` are read. */
  endEarly(maxBytes: number): void;
  /** Ends it without an answer; the code is for HTTP/2. */
  cut(code: number): void;
}

/**
 * A string is sent in one piece with its header; bytes are gathered with it, at a twentieth of a call. Up to 16 KiB, with its
 * header, Node encodes a string on the stack.
 */
const maxTextBytes = 15 * 1024;

/** Over HTTP/1.1. */
export class Http1Exchange implements Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #receiver: Receiver | undefined;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get authority(): string {
    return this.headers.host ?? "";
  }

  get path(): string {
    return this.#request.url ?? "";
  }

  get secure(): boolean {
    return "encrypted" in this.#request.socket;
  }

  get gone(): boolean {
    return this.#response.destroyed;
  }

  get received(): boolean {
    return this.#request.complete;
  }

  open(receiver: Receiver): void {
    this.#receiver = receiver;
    this.#response.on("close", () => receiver.close());
  }

  read(): void {
    const receiver = this.#receiver;
    this.#request.on("data", (chunk: Buffer) => receiver?.data(chunk)).on("end", () => receiver?.end());
  }

  answer({ status, headers, body }: Answer): void {
    const response = this.#response;
    if (body !== undefined && isLarge(body) && this.secure) {
      return endInTwo(response.writeHead(status, { ...headers, "content-length": body.length }), body);
    }
    response.writeHead(status, headers);
    if (body === undefined || body.length > maxTextBytes) return void response.end(body);
    response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString("latin1"), "latin1");
  }

  /** The listener reads the rest. */
  endEarly(): void {}

  cut(): void {
    this.#request.destroy();
  }
}

/** A member of a bag that must leave it when the exchange is over. */
export interface Leaving {
  leave(): void;
}

const exchange = Symbol("exchange");

/**
 * A stream that is served. It refers to its exchange only while that is open: Node's streams of HTTP/2 live on for a while after
 * their end, and the garbage collector has to copy everything that they and their listeners refer to. That cost a call a third
 * of its time.
 */
interface Served extends ServerHttp2Stream {
  [exchange]?: Http2Exchange | undefined;
}

/** Over HTTP/2, on the stream itself: Node's request and response objects cost a tenth of a call. */
export class Http2Exchange implements Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly watched: Leaving;
  receiver: Receiver | undefined;
  /** To be sent after the body. */
  trailers: OutgoingHttpHeaders = {};
  readonly #stream: Served;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, watched: Leaving) {
    this.#stream = stream;
    this.headers = headers;
    this.watched = watched;
  }

  get authority(): string {
    return this.headers[":authority"] ?? "";
  }

  get path(): string {
    return this.headers[":path"] ?? "";
  }

  get secure(): boolean {
    return this.#stream.session?.encrypted === true;
  }

  get gone(): boolean {
    return this.#stream.closed || this.#stream.destroyed;
  }

  get received(): boolean {
    return this.#stream.readableEnded;
  }

  open(receiver: Receiver): void {
    this.receiver = receiver;
    this.#stream[exchange] = this;
    // What goes wrong with a stream is told by its end, too.
    this.#stream.on("close", tellClose).on("error", ignore);
  }

  read(): void {
    this.#stream.on("data", tellData).on("end", tellEnd);
  }

  answer({ status, headers, body, trailers }: Answer): void {
    const stream = this.#stream;
    // Node sends 200 unless told otherwise.
    const all = status === 200 ? headers : { ":status": status, ...headers };
    if (trailers !== undefined) {
      this.trailers = trailers;
      stream.on("wantTrailers", sendTrailers);
      stream.respond(all, withTrailers);
    } else if (body === undefined) {
      return stream.respond(all, withoutBody);
    } else {
      stream.respond(all);
    }
    stream.end(body);
  }

  endEarly(maxBytes: number): void {
    endEarly(this.#stream, this.headers, maxBytes);
  }

  cut(code: number): void {
    this.#stream.close(code);
  }
}

const withTrailers = { waitForTrailers: true };
const withoutBody = { endStream: true };

function ignore(): void {}

function tellData(this: Served, chunk: Buffer): void {
  this[exchange]?.receiver?.data(chunk);
}

/** A client may cut its stream in a way that makes Node end the body. */
function tellEnd(this: Served): void {
  if (!this.closed) this[exchange]?.receiver?.end();
}

function sendTrailers(this: Served): void {
  this.sendTrailers(this[exchange]?.trailers ?? {});
}

function tellClose(this: Served): void {
  const over = this[exchange];
  this[exchange] = undefined;
  over?.receiver?.close();
  over?.watched.leave();
}
