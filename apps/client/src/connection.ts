import type { Interceptor, Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { type ClientEvent, createEventClient, type EventClient } from "@event-ingestion/client";
import type { Config } from "./config.ts";
import { explain } from "./explain.ts";

/** A client with the connection under it. */
export interface Connection extends Disposable {
  client: EventClient;
}

/** How patient a command is. */
export interface Patience {
  /** Tries of one call. A command that somebody waits for fails soon; an import outlives a restart. */
  maxTries: number;
  /** How long one call may take, in ms, unless --timeout says otherwise. */
  timeoutMs: number;
}

/** What `connect` takes beside the configuration. */
export interface ConnectionOptions {
  observe?: (event: ClientEvent) => void;
  /** Told how long each try took that had an answer, in ms. */
  answered?: (durationMs: number) => void;
}

/** What a person waits for. */
export const impatient: Patience = { maxTries: 4, timeoutMs: 10_000 };

/** What goes on by itself: a server that restarts is waited for. */
export const patient: Patience = { maxTries: 1000, timeoutMs: 60_000 };

const retryNoteMs = 5000;

/** Says that the server is away, but not for every call that waits for it. */
export function retryNotes(address: string, say: (text: string) => void): (event: ClientEvent) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  return ({ error }) => {
    if (performance.now() - saidAt < retryNoteMs) return;
    saidAt = performance.now();
    say(`${explain(error, address).message}; trying again`);
  };
}

/** Opens nothing yet: the first call connects. */
export function connect(
  config: Config,
  { maxTries, timeoutMs }: Patience,
  { observe = () => undefined, answered = () => undefined }: ConnectionOptions = {},
): Connection {
  const http2 = new Http2SessionManager(config.baseUrl);
  const interceptors: Interceptor[] = [
    (next) => async (request) => {
      if (config.token !== undefined) request.header.set("authorization", `Bearer ${config.token}`);
      const start = performance.now();
      const response = await next(request);
      answered(performance.now() - start);
      return response;
    },
  ];
  const client = createEventClient({
    transport: createTransport(config, interceptors, http2),
    maxTries,
    timeoutMs: config.timeoutMs ?? timeoutMs,
    observe,
  });
  return { client, [Symbol.dispose]: () => http2.abort() };
}

function createTransport(
  { protocol, baseUrl }: Config,
  interceptors: Interceptor[],
  sessionManager: Http2SessionManager,
): Transport {
  switch (protocol) {
    case "grpc":
      return createGrpcTransport({ baseUrl, interceptors, sessionManager });
    case "connect":
      return createConnectTransport({ baseUrl, interceptors, httpVersion: "1.1" });
    case "grpc-web":
      return createGrpcWebTransport({ baseUrl, interceptors, httpVersion: "1.1" });
  }
}
