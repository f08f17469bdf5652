// What the generated client sends beside a message, so that servers have as much to read and to do for a call as in
// earnest: it always gives a deadline, for one.

const userAgent = "connect-es/2.2.0";

/** gRPC over HTTP/2. */
export const grpcHeaders: Readonly<Record<string, string>> = {
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "gzip,br",
  "grpc-timeout": "30000m",
  te: "trailers",
  "user-agent": userAgent,
};

/** The Connect protocol over HTTP/1.1; the client does not say how long its body is. */
export const connectHeaders: Readonly<Record<string, string>> = {
  "accept-encoding": "gzip,br",
  "connect-protocol-version": "1",
  "connect-timeout-ms": "30000",
  "content-type": "application/proto",
  "user-agent": userAgent,
  connection: "keep-alive",
  "transfer-encoding": "chunked",
};
