import type { NodeRequest, NodeResponse } from "../node-handler.ts";

/**
 * Answers a gRPC or gRPC-Web call of a method that does not exist with the status that its protocol has for that; a
 * bare 404 is one only in Connect. False if the request is of neither protocol.
 */
export function answerUnknownMethod(request: NodeRequest, response: NodeResponse): boolean {
  const given = request.headers["content-type"]?.toLowerCase() ?? "";
  const contentType = /^application\/grpc(?:-web)?(?=\+|;|$)/.exec(given)?.[0];
  if (contentType === undefined) return false;
  const headers = {
    "content-type": contentType,
    "cache-control": "no-store",
    "grpc-status": "12",
    "grpc-message": "unknown method",
  };
  if ("stream" in response && contentType === "application/grpc") {
    // In gRPC the header block itself has to end the stream; after end() an empty frame would.
    response.stream.respond({ ":status": 200, ...headers }, { endStream: true });
  } else {
    response.writeHead(200, headers).end();
  }
  return true;
}
