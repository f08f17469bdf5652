import { connect } from "node:http2";
import type { Connection, Target } from "./connection.ts";

// Servers commonly take 100 streams a connection; a client with more calls opens more connections.
const streamsPerConnection = 64;
const windowBytes = 16 * 1024 * 1024;
const prefixBytes = 5;

/** gRPC over cleartext HTTP/2, without a library: what a call costs here is nearly all node:http2. */
export function connectGrpc({ url, method, inFlight }: Target): Connection {
  const sessions = Array.from({ length: Math.ceil(inFlight / streamsPerConnection) }, () => {
    const session = connect(url, { settings: { enablePush: false, initialWindowSize: windowBytes } });
    session.on("connect", () => session.setLocalWindowSize(windowBytes));
    // Every call in flight rejects as well.
    session.on("error", () => undefined);
    return session;
  });
  // A list of names and values is cheaper for node:http2 than an object.
  const headers = Object.entries({
    ":method": "POST",
    ":scheme": "http",
    ":authority": new URL(url).host,
    ":path": `/${method}`,
    "content-type": "application/grpc+proto",
    te: "trailers",
  }).flat();
  let turn = 0;

  return {
    envelope: prefixed,
    call: (request) =>
      new Promise((resolve, reject) => {
        const session = sessions[turn++ % sessions.length];
        if (session === undefined) throw new Error("no connection");
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
          if (status === "0") resolve(unprefixed(chunks));
          else reject(new Error(`${method}: grpc-status ${String(status)} ${decodeMessage(message)}`));
        });
        stream.end(request);
      }),
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function prefixed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

function unprefixed([first = Buffer.alloc(0), ...others]: Buffer[]): Buffer {
  return (others.length === 0 ? first : Buffer.concat([first, ...others])).subarray(prefixBytes);
}

/** gRPC percent-encodes it. */
function decodeMessage(message: unknown): string {
  return typeof message === "string" ? decodeURIComponent(message) : "(no message)";
}
