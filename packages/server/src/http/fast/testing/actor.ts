import type { StringValue } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { RetryInfoSchema } from "@event-ingestion/api/error-details";
import type { Echo } from "../../testing/echo.ts";

/** Does what its message says. */
export const actor: Partial<ServiceImpl<typeof Echo>> = {
  async say(message, context) {
    await new Promise(setImmediate);
    return answer(message, context);
  },
  get: answer,
};

function answer({ value }: StringValue, context: HandlerContext): { value: string } {
  const { method, service, requestMethod, protocolName, url, requestHeader } = context;
  switch (value) {
    case "context": {
      const timeout = context.timeoutMs() === undefined ? "no timeout" : "a timeout";
      const header = [...requestHeader].filter(([name]) => name.startsWith("x-"));
      const path = new URL(url).pathname;
      const { aborted } = context.signal;
      return {
        value: JSON.stringify([
          method.name,
          service.typeName,
          requestMethod,
          protocolName,
          path,
          timeout,
          header,
          aborted,
        ]),
      };
    }
    case "headers":
      context.responseHeader.set("x-set", "1");
      context.responseHeader.append("set-cookie", "a=1");
      context.responseHeader.append("set-cookie", "b=2");
      context.responseHeader.set("cache-control", "private");
      context.responseTrailer.set("x-trailer", "2");
      return { value };
    case "error with headers":
      context.responseHeader.set("x-set", "1");
      context.responseTrailer.set("x-trailer", "2");
      throw new ConnectError("with headers", Code.Aborted, {
        "x-meta": "3",
        "content-type": "x/y",
        "grpc-status": "7",
      });
    case "error with details":
      throw new ConnectError("full \u{1f600} \ud800 %", Code.Unavailable, { "retry-after": "2" }, [
        { desc: RetryInfoSchema, value: { retryDelay: { seconds: 1n } } },
      ]);
    case "long error":
      throw new ConnectError("\u{1f600}".repeat(3000), Code.NotFound);
    case "bug":
      throw new Error("secret");
    case "abort error":
      throw new DOMException("secret", "AbortError");
    case "large":
      return { value: "y".repeat(5000) };
    case "too large":
      return { value: "z".repeat(30_000) };
    case "not a message":
      return { value: 7 as unknown as string };
    default:
      return { value };
  }
}
