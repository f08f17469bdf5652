import { connect, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { onTestFinished } from "vitest";
import type { TestServer } from "./test-server.ts";

/** An answer over HTTP/2. */
export interface RawAnswer {
  headers: IncomingHttpHeaders & IncomingHttpStatusHeader;
  trailers: IncomingHttpHeaders;
  body: Buffer;
  /** How the call ended, in the words of Connect, or "ok". */
  outcome: string;
}

/** A connection that posts any bytes to any path. */
export function openPoster({ baseUrl, cert }: Pick<TestServer, "baseUrl" | "cert">) {
  const session = connect(baseUrl, cert === undefined ? {} : { ca: cert });
  onTestFinished(() => session.destroy());
  return (path: string, fields: Record<string, string>, body: Uint8Array | string): Promise<RawAnswer> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":method": "POST", ":path": path, ...fields });
      const chunks: Buffer[] = [];
      let headers: RawAnswer["headers"] = {};
      let trailers: IncomingHttpHeaders = {};
      stream
        .on("response", (got) => (headers = got))
        .on("trailers", (got) => (trailers = got))
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("error", reject)
        .on("close", () => {
          const all = Buffer.concat(chunks);
          resolve({ headers, trailers, body: all, outcome: outcomeOf({ ...headers, ...trailers }, all) });
        })
        .end(body);
    });
}

function outcomeOf(headers: RawAnswer["headers"], body: Buffer): string {
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc-web")) {
    const status = /grpc-status: (\d+)/.exec(lastEnvelope(body).toString())?.[1];
    return words(status ?? headers["grpc-status"]);
  }
  if (contentType.startsWith("application/grpc")) return words(headers["grpc-status"]);
  if (contentType.startsWith("application/connect+")) return errorCode(lastEnvelope(body)) ?? "ok";
  if (headers[":status"] === 200) return "ok";
  return contentType === "application/json" ? (errorCode(body) ?? "no code") : `HTTP ${headers[":status"]}`;
}

function words(status: string | string[] | undefined): string {
  return codes[Number(status)] ?? `grpc-status ${String(status)}`;
}

function lastEnvelope(body: Buffer): Buffer {
  let last: Buffer = Buffer.alloc(0);
  for (let at = 0; at + 5 <= body.length; at += 5 + last.length)
    last = body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1));
  return last;
}

/** The code in the JSON of a Connect error, or of the end of a Connect stream. */
function errorCode(json: Buffer): string | undefined {
  const { code, error }: { code?: string; error?: { code: string } } = JSON.parse(json.toString());
  return code ?? error?.code;
}

const codes = [
  "ok",
  "canceled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
];
