import { connect } from "node:http2";
import { type Connection, Refused, type Target } from "./connection.ts";

const windowBytes = 16 * 1024 * 1024;
const prefixBytes = 5;
const unavailable = "14";

/** gRPC over one cleartext HTTP/2 connection of node:http2, for messages of any size. */
export function connectHttp2({ url, method }: Target): Connection {
  const session = connect(url, { settings: { enablePush: false, initialWindowSize: windowBytes } });
  session.on("connect", () => session.setLocalWindowSize(windowBytes));
  // Every call in flight rejects as well.
  session.on("error", () => undefined);
  // A list of names and values is cheaper for node:http2 than an object.
  const headers = Object.entries({
    ":method": "POST",
    ":scheme": "http",
    ":authority": new URL(url).host,
    ":path": `/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
  }).flat();

  return {
    envelope: prefixed,
    call: (request) =>
      new Promise((resolve, reject) => {
        const stream = session.request(headers, { endStream: false });
        const chunks: Buffer[] = [];
        let status: unknown;
        let message: unknown;
        const read = (fields: Record<string, unknown>) => {
          status ??= fields["grpc-status"];
          message ??= fields["grpc-message"];
        };
        stream.on("response", read).on("trailers", read);
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("error", reject);
        stream.on("end", () => {
          if (status === "0") return resolve(Buffer.concat(chunks).subarray(prefixBytes));
          const what = `${method}: grpc-status ${String(status)} ${decodeMessage(message)}`;
          return reject(status === unavailable ? new Refused(what) : new Error(what));
        });
        stream.end(request);
      }),
    close: () => session.destroy(),
  };
}

function prefixed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

/** gRPC percent-encodes it. */
function decodeMessage(message: unknown): string {
  return typeof message === "string" ? decodeURIComponent(message) : "(no message)";
}
