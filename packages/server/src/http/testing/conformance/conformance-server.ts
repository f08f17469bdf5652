import { readFileSync, writeSync } from "node:fs";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createListener } from "../../listener/listener.ts";
import { createRpcHandler } from "../../rpc-handler.ts";
import { conformanceRoutes } from "./conformance-routes.ts";
import { findSchemas, type ServerRequest } from "./conformance-service.ts";

// The server that Connect's conformance suite starts, with each of the properties that it wants to see, on our listener:
// node conformance-server.ts DESCRIPTORS [fast | connect]

const [descriptors = "", path = "fast"] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const schemas = findSchemas(registry);
const input = readFileSync(0);
const wanted = fromBinary(schemas.serverRequest, input.subarray(4, 4 + input.readUInt32BE(0)));

const limits = {
  // All answers to clients that take it are compressed.
  compressMinBytes: 1,
  ...(wanted.messageReceiveLimit > 0 && { readMaxBytes: wanted.messageReceiveLimit }),
};
const handler = createRpcHandler({
  routes: conformanceRoutes(schemas),
  fallback: (_request, response) => void response.writeHead(404).end(),
  onError: (failure) => console.error(failure),
  jsonOptions: { registry },
  fastPath: path === "fast",
  limits,
});
const listener = createListener(handler, { limits, ...tlsOf(wanted) });
process.once("SIGTERM", () => listener.destroy());
const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
const pemCert = wanted.serverCreds?.cert ?? new Uint8Array();
const answer = create(schemas.serverResponse, { host: "127.0.0.1", port, pemCert });
const bytes = toBinary(schemas.serverResponse, answer);
const length = Buffer.alloc(4);
length.writeUInt32BE(bytes.length);
writeSync(1, Buffer.concat([length, bytes]));

function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerRequest) {
  if (!useTls || serverCreds === undefined) return {};
  const server = { key: Buffer.from(serverCreds.key), cert: Buffer.from(serverCreds.cert) };
  if (clientTlsCert.length === 0) return { tls: server };
  return { tls: { ...server, ca: Buffer.from(clientTlsCert), requestCert: true, rejectUnauthorized: true } };
}
