import type { UniversalServerResponse } from "@connectrpc/connect/protocol";

/**
 * Encodes a text for `grpc-message` as gRPC says: what can be printed stays. Connect encodes it as for a URL, and clients
 * that decode no more than gRPC says then show "at most 128 bytes%2C got 200".
 */
export function encodeGrpcMessage(text: string): string {
  return text.replaceAll(/^ | $|[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent);
}

/** The answer with such a message in its trailers, which connect completes while the body is read. */
export function correctGrpcMessage(answer: UniversalServerResponse): UniversalServerResponse {
  const { trailer } = answer;
  if (trailer === undefined) return answer;
  return {
    ...answer,
    get trailer() {
      const message = trailer.get("grpc-message");
      if (message !== null) trailer.set("grpc-message", encodeGrpcMessage(decodeURIComponent(message)));
      return trailer;
    },
  };
}
