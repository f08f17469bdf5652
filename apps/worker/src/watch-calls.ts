import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { WorkerService } from "@event-ingestion/api/worker/v1";

/** Told of each change: without an error the server does what it is asked, with one it does not. */
export type ConnectionChanged = (error: ConnectError | undefined) => void;

/** Knows from the calls that are made how the server is. */
export interface CallWatch {
  interceptor: Interceptor;
  /** Whether the server does what it is asked; false until it is known. */
  isUp: () => boolean;
}

/**
 * The server is down as long as some rpc failed the last time it was called: Heartbeat may be answered while Claim is
 * refused. A session that could be opened is a new beginning.
 */
export function watchCalls(changed: ConnectionChanged): CallWatch {
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
