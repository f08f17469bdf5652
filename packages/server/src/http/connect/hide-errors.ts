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

/** Errors whose text is for the client: what handlers threw on purpose, and what stands for a bug. */
const forClient = new WeakSet<ConnectError>();

/** Whether a handler threw the error on purpose, or it stands for a bug that is reported. */
export function isForClient(error: ConnectError): boolean {
  return forClient.has(error);
}

/** Takes the text out of an error that connect made of a bug, after it is reported. */
export function replaceText(error: ConnectError, { rawMessage, message }: ConnectError): void {
  forClient.add(Object.assign(error, { rawMessage, message }));
}

/** Reports `error` and makes what the client may see of it. */
export function hideError(error: unknown, rpc: string, onError: (failure: RpcFailure) => void): ConnectError {
  const id = randomUUID();
  onError({ id, rpc, error });
  const shown = new ConnectError(`internal error ${id}`, Code.Internal);
  forClient.add(shown);
  return shown;
}

/** Only a ConnectError thrown by a handler, or the reason of its signal, is for the client; all else is a bug. */
export function clientError(
  error: unknown,
  call: { signal: AbortSignal; method: DescMethod },
  onError: (failure: RpcFailure) => void,
): ConnectError {
  if (error instanceof ConnectError) {
    forClient.add(error);
    return error;
  }
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
