import { connect } from "./connect.ts";
import { grpc } from "./grpc.ts";
import type { Form, UnaryProtocol } from "./unary-protocol.ts";

/** The content types that are served here; more exotic spellings are left to connect. */
const forms: ReadonlyMap<string, Form> = new Map([
  ["application/grpc", form(grpc, "application/grpc+proto")],
  ["application/grpc+proto", form(grpc, "application/grpc+proto")],
  ["application/grpc+json", form(grpc, "application/grpc+json")],
  ["application/proto", form(connect, "application/proto")],
  ["application/json", form(connect, "application/json")],
  ["application/json; charset=utf-8", form(connect, "application/json")],
]);

/** What a request with this content type is; nothing if it is not served here. */
export function formOf(contentType: string | undefined): Form | undefined {
  return contentType === undefined ? undefined : forms.get(contentType);
}

function form(protocol: UnaryProtocol, contentType: string): Form {
  const headers = { "content-type": contentType, "cache-control": "no-store" } as const;
  return { protocol, json: contentType.endsWith("json"), headers };
}
