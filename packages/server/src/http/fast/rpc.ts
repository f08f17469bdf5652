import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type Message,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import type { ConnectRouterOptions, HandlerContext } from "@connectrpc/connect";
import { createMethodSerializationLookup, invokeUnaryImplementation } from "@connectrpc/connect/protocol";
import { createEncoder } from "./proto-encoder.ts";
import type { UnarySpec } from "./recording-router.ts";

/** What handlers return. */
export type Output = MessageInitShape<DescMessage>;

/** A unary rpc, ready to be called. */
export interface Rpc {
  method: DescMethodUnary;
  /** @throws ConnectError for a malformed message and one over the limit. */
  decode(message: Uint8Array, json: boolean): Message;
  /** Runs the interceptors and the handler. */
  invoke(input: Message, context: HandlerContext): Output | Promise<Output>;
  /** @throws ConnectError for a message over the limit. */
  encode(output: Output, json: boolean): Uint8Array;
}

/** What `createRpc` takes beside the implementation. */
export interface RpcOptions extends Pick<
  ConnectRouterOptions,
  "binaryOptions" | "interceptors" | "jsonOptions"
> {
  limits: { readMaxBytes: number; writeMaxBytes: number };
}

/** Puts an implementation between its decoder and its encoder, which are those of connect. */
export function createRpc(
  spec: UnarySpec,
  { binaryOptions, jsonOptions, interceptors = [], limits }: RpcOptions,
): Rpc {
  const { method, impl } = spec;
  const decoders = createMethodSerializationLookup(method, binaryOptions, jsonOptions, limits);
  // Options cost something with every message, and those given are for decoding.
  const encoders = createMethodSerializationLookup(method, undefined, jsonOptions, limits);
  const encode = createEncoder(method.output);
  return {
    method,
    decode: (message, json) => decoders.getI(!json).parse(message),
    encode(output, json) {
      const message = create(method.output, output);
      const bytes = json ? undefined : encode(message);
      if (bytes !== undefined && bytes.length <= limits.writeMaxBytes) return bytes;
      return encoders.getO(!json).serialize(message);
    },
    invoke:
      interceptors.length === 0
        ? impl
        : (input, context) => invokeUnaryImplementation(spec, copyOf(context), input, interceptors),
  };
}

/** For code that spreads it. */
function copyOf(context: HandlerContext): HandlerContext {
  const { method, service, protocolName, requestMethod, url, timeoutMs, signal, values } = context;
  const { requestHeader, responseHeader, responseTrailer } = context;
  const headers = { requestHeader, responseHeader, responseTrailer };
  return { method, service, protocolName, requestMethod, url, timeoutMs, signal, values, ...headers };
}
