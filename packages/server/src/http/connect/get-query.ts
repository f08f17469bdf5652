import { isUtf8 } from "node:buffer";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { type Inspect, notUtf8 } from "../inspect/inspect.ts";

/**
 * Inspects the message of a GET, which is in its query. A compressed message is inspected once it is decompressed.
 *
 * @throws ConnectError as `inspect` does, and for what connect would take for an error of its own or repair silently: a
 * message that is not base64, and a query that is no UTF-8.
 */
export function checkQuery(
  { requestMethod, url, method }: Pick<HandlerContext, "requestMethod" | "url" | "method">,
  inspect: Inspect,
): void {
  if (requestMethod !== "GET") return;
  const { search, searchParams: query } = new URL(url);
  if (!isUtf8(unescaped(search))) throw notUtf8(method.input);
  const message = messageOf(query);
  if ((query.get("compression") ?? "identity") !== "identity") return;
  inspect(message, { schema: method.input, json: isJsonQuery(query) });
}

/** The bytes of a query, which a URL has in ASCII. */
function unescaped(search: string): Buffer {
  const text = search.replaceAll(/%[0-9a-f]{2}/gi, (one) => String.fromCharCode(Number(`0x${one.slice(1)}`)));
  return Buffer.from(text, "latin1");
}

/** Whether the message of a query is JSON. */
export function isJsonQuery(query: URLSearchParams): boolean {
  return query.get("encoding") === "json";
}

function messageOf(query: URLSearchParams): Uint8Array {
  const message = query.get("message") ?? "";
  if (query.get("base64") !== "1") return Buffer.from(message);
  try {
    return base64Decode(message);
  } catch (cause) {
    const text = "the message of the query is not base64";
    throw new ConnectError(text, Code.InvalidArgument, undefined, undefined, cause);
  }
}
