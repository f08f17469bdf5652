import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { WorkerService } from "@event-ingestion/api/worker/v1";
import type { Config } from "./config.ts";

/** The way to the server. */
export interface Connection extends Disposable {
  transport: Transport;
  /** Whether the server does what it is asked; false until it is known. */
  readonly isUp: boolean;
}

/** Told of each change: without an error the server answers, with one it does not. */
export type ConnectionChanged = (error: ConnectError | undefined) => void;

/** A dead connection is noticed within both together, so that heartbeats go on over another one within the lease. */
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

/**
 * The server is down as long as some rpc failed the last time it was called: Heartbeat may be answered while Claim is
 * refused. A session that could be opened is a new beginning.
 */
function watchCalls(changed: ConnectionChanged): { interceptor: Interceptor; isUp: () => boolean } {
  const failing = new Set<string>();
  let isUp: boolean | undefined;
  const tell = (error?: ConnectError) => {
    const now = failing.size === 0;
    if (now === isUp) return;
    isUp = now;
    changed(error);
  };
  return {
    isUp: () => isUp === true,
    interceptor: (next) => async (request) => {
      const { name } = request.method;
      try {
        const response = await next(request);
        if (request.method === WorkerService.method.openSession) failing.clear();
        failing.delete(name);
        tell();
        return response;
      } catch (reason) {
        const error = ConnectError.from(reason);
        if (isOurDoing(error, request.signal)) throw error;
        failing.add(name);
        tell(error);
        throw error;
      }
    },
  };
}

/** A bad request, or a call that the worker itself gave up when it was told to end. */
function isOurDoing({ code }: ConnectError, signal: AbortSignal): boolean {
  return code === Code.InvalidArgument || (signal.aborted && code !== Code.DeadlineExceeded);
}
