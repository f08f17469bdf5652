import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";

/** Connect takes a message of a GET that is not base64 for an error of its own. @throws ConnectError in place of it. */
export function checkQuery({ requestMethod, url }: Pick<HandlerContext, "requestMethod" | "url">): void {
  if (requestMethod !== "GET") return;
  const query = new URL(url).searchParams;
  if (query.get("base64") !== "1") return;
  try {
    base64Decode(query.get("message") ?? "");
  } catch (cause) {
    const message = "the message of the query is not base64";
    throw new ConnectError(message, Code.InvalidArgument, undefined, undefined, cause);
  }
}
