import type { Interceptor, Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Config } from "./config.ts";
import { type ConnectionChanged, watchCalls } from "./watch-calls.ts";

/** The way to the server. */
export interface Connection extends Disposable {
  transport: Transport;
  /** Whether the server does what it is asked; false until it is known. */
  readonly isUp: boolean;
}

/** A dead connection is noticed within both together, so that heartbeats reach the server over another one in time. */
const ping = { pingIntervalMs: 5000, pingTimeoutMs: 4000 };

/** Opens nothing yet: the first call connects. */
export function connect({ baseUrl, token }: Config, changed: ConnectionChanged): Connection {
  const sessionManager = new Http2SessionManager(baseUrl, ping);
  const watch = watchCalls(changed);
  const authorize: Interceptor = (next) => (request) => {
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager, interceptors: [authorize, watch.interceptor] }),
    get isUp() {
      return watch.isUp();
    },
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}
