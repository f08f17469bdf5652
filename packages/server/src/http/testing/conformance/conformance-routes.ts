import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import type {
  ErrorDefinition,
  Field,
  Schemas,
  StreamDefinition,
  UnaryDefinition,
} from "./conformance-service.ts";

/** Answers each call as its first message says, and tells in the first answer what came. */
export function conformanceRoutes({ service, requestInfo }: Schemas): (router: ConnectRouter) => void {
  const info = (context: HandlerContext, requests: Any[]) =>
    create(requestInfo, { ...callInfo(context), requests });

  const unary = async (requests: Any[], definition: UnaryDefinition | undefined, context: HandlerContext) => {
    setFields(definition, context);
    const got = info(context, requests);
    await sleep(definition?.responseDelayMs ?? 0, undefined, { signal: context.signal });
    const { response } = definition ?? {};
    if (response?.case === "error") throw errorOf(response.value, anyPack(requestInfo, got));
    return { payload: { ...(response?.case && { data: response.value }), requestInfo: got } };
  };

  /** The answers from number `sent` on, and the error at the end. */
  async function* rest(
    requests: Any[],
    definition: StreamDefinition | undefined,
    { context, sent }: { context: HandlerContext; sent: number },
  ) {
    if (definition === undefined) return;
    const got = info(context, requests);
    for (const [index, data] of definition.responseData.entries()) {
      if (index < sent) continue;
      await sleep(definition.responseDelayMs, undefined, { signal: context.signal });
      yield { payload: { data, ...(index === 0 && { requestInfo: got }) } };
    }
    if (definition.error === undefined) return;
    const details = definition.responseData.length === 0 ? [anyPack(requestInfo, got)] : [];
    throw errorOf(definition.error, ...details);
  }

  return (router) => {
    router.service(service, {
      unary: (request, context) =>
        unary([anyPack(service.method.unary.input, request)], request.responseDefinition, context),

      idempotentUnary: (request, context) =>
        unary([anyPack(service.method.idempotentUnary.input, request)], request.responseDefinition, context),

      async clientStream(requests, context) {
        const got: Any[] = [];
        let definition: UnaryDefinition | undefined;
        for await (const request of requests) {
          if (got.length === 0) definition = request.responseDefinition;
          got.push(anyPack(service.method.clientStream.input, request));
        }
        return unary(got, definition, context);
      },

      async *serverStream(request, context) {
        setFields(request.responseDefinition, context);
        const requests = [anyPack(service.method.serverStream.input, request)];
        yield* rest(requests, request.responseDefinition, { context, sent: 0 });
      },

      async *bidiStream(requests, context) {
        let got: Any[] = [];
        let first: { responseDefinition?: StreamDefinition; fullDuplex: boolean } | undefined;
        let sent = 0;
        for await (const request of requests) {
          got.push(anyPack(service.method.bidiStream.input, request));
          if (first === undefined) setFields(request.responseDefinition, context);
          first ??= request;
          if (!first.fullDuplex) continue;
          const { responseData = [], responseDelayMs = 0 } = first.responseDefinition ?? {};
          const data = responseData[sent];
          if (data === undefined) break;
          await sleep(responseDelayMs, undefined, { signal: context.signal });
          yield { payload: { data, requestInfo: sent === 0 ? info(context, got) : { requests: got } } };
          got = [];
          sent++;
        }
        yield* rest(got, first?.responseDefinition, { context, sent });
      },
    });
  };
}

function callInfo({ requestHeader, timeoutMs, requestMethod, url }: HandlerContext) {
  const timeout = timeoutMs();
  return {
    requestHeaders: fieldsOf(requestHeader),
    ...(timeout !== undefined && { timeoutMs: BigInt(Math.floor(timeout)) }),
    ...(requestMethod === "GET" && { connectGetInfo: { queryParams: fieldsOf(new URL(url).searchParams) } }),
  };
}

function fieldsOf(pairs: Iterable<[string, string]>): Field[] {
  return [...pairs].map(([name, value]) => ({ name, value: [value] }));
}

function setFields(
  definition: UnaryDefinition | StreamDefinition | undefined,
  { responseHeader, responseTrailer }: HandlerContext,
): void {
  append(responseHeader, definition?.responseHeaders);
  append(responseTrailer, definition?.responseTrailers);
}

function append(headers: Headers, fields: Field[] = []): void {
  for (const { name, value } of fields) for (const one of value) headers.append(name, one);
}

function errorOf({ code, message = "", details }: ErrorDefinition, ...more: Any[]): ConnectError {
  const error = new ConnectError(message, code);
  error.details = [...details, ...more].map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return error;
}
