import { randomUUID } from "node:crypto";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** A bug met while answering; the client knows no more of it than `id`. */
export interface RpcFailure {
  id: string;
  /** `package.Service/Method`, or the path of a request that is no rpc. */
  rpc: string;
  error: unknown;
}

/** Reports `error` and makes what the client may see of it. */
export function hideError(error: unknown, rpc: string, onError: (failure: RpcFailure) => void): ConnectError {
  const id = randomUUID();
  onError({ id, rpc, error });
  return new ConnectError(`internal error ${id}`, Code.Internal);
}

/** Only a ConnectError thrown by a handler, or the reason of its signal, is for the client; all else is a bug. */
export function clientError(
  error: unknown,
  call: { signal: AbortSignal; method: DescMethod },
  onError: (failure: RpcFailure) => void,
): ConnectError {
  if (error instanceof ConnectError) return error;
  const { signal, method } = call;
  const isAbort = error === signal.reason || (error instanceof Error && error.name === "AbortError");
  if (signal.aborted && isAbort) return ConnectError.from(signal.reason);
  return hideError(error, `${method.parent.typeName}/${method.name}`, onError);
}

/** Makes what goes wrong in a handler what its client may see of it. */
export function hideErrors(onError: (failure: RpcFailure) => void): Interceptor {
  return (next) => async (request) => {
    const fail = (error: unknown): never => {
      throw clientError(error, request, onError);
    };

    let response: Awaited<ReturnType<typeof next>>;
    try {
      response = await next(request.stream ? { ...request, message: arriving(request.message) } : request);
    } catch (error) {
      return fail(error);
    }
    if (!response.stream) return response;
    const messages = response.message[Symbol.asyncIterator]();
    const step = () => messages.next().catch(fail);
    return { ...response, message: { [Symbol.asyncIterator]: () => ({ next: step }) } };
  };
}

/** A request that breaks off is no bug, whatever Node calls it. */
async function* arriving<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    if (error instanceof ConnectError) throw error;
    throw new ConnectError("the request broke off", Code.Canceled, undefined, undefined, error);
  }
}
