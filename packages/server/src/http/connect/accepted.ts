import type { DescMethod } from "@bufbuild/protobuf";
import type { UniversalServerRequest, UniversalServerResponse } from "@connectrpc/connect/protocol";

/** What a refused request asked for. */
interface Asked {
  request: Pick<UniversalServerRequest, "method" | "header">;
  method: DescMethod;
}

const grpcTypes = ["", "+proto", "+json", "-web", "-web+proto", "-web+json"].map(
  (end) => `application/grpc${end}`,
);
const unaryTypes = ["application/json", "application/proto", ...grpcTypes];
const streamTypes = ["application/connect+json", "application/connect+proto", ...grpcTypes];

/** Fields that say how a request is compressed, and those that say what the server takes. */
const encodingFields = [
  ["content-encoding", "accept-encoding"],
  ["connect-content-encoding", "connect-accept-encoding"],
  ["grpc-encoding", "grpc-accept-encoding"],
] as const;
const encodings = ["identity", "gzip"];

/** Lists the accepted types or compressions in the answer to a request with another one; connect does not. */
export function sayAccepted(answer: UniversalServerResponse, asked: Asked): UniversalServerResponse {
  if (answer.status === 415) return withTypes(answer, asked);
  for (const [encoding, accept] of encodingFields) {
    const given = asked.request.header.get(encoding);
    if (given === null || encodings.includes(given)) continue;
    const header = new Headers(answer.header);
    header.set(accept, encodings.join());
    return { ...answer, header };
  }
  return answer;
}

function withTypes(answer: UniversalServerResponse, { request, method }: Asked): UniversalServerResponse {
  const types = method.methodKind === "unary" ? unaryTypes : streamTypes;
  const given = request.header.get("content-type") ?? "none";
  const text =
    request.method === "GET"
      ? "the query must have encoding=json or encoding=proto"
      : `content-type must be one of ${types.join(", ")}; got ${given}`;
  const header = new Headers(answer.header);
  header.set("content-type", "text/plain; charset=utf-8");
  header.set("accept-post", types.join(", "));
  return { ...answer, header, body: one(Buffer.from(`${text}\n`)) };
}

async function* one(chunk: Uint8Array): AsyncGenerator<Uint8Array> {
  yield chunk;
}
