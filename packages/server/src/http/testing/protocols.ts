import type { Interceptor, Transport } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import type { TestServer } from "./test-server.ts";

/** What a test says to a client of any protocol. */
interface ClientOptions {
  sendCompression?: Compression;
  interceptors?: Interceptor[];
}

type CreateTransport = (server: TestServer, options?: ClientOptions) => Transport;

/** The three protocols by name, for test.each. */
export const protocols: [name: string, createTransport: CreateTransport][] = [
  [
    "Connect",
    (server, options) => createConnectTransport({ ...common(server), httpVersion: "2", ...options }),
  ],
  ["gRPC", (server, options) => createGrpcTransport({ ...common(server), ...options })],
  [
    "gRPC-Web",
    (server, options) => createGrpcWebTransport({ ...common(server), httpVersion: "2", ...options }),
  ],
];

function common({ baseUrl, cert }: TestServer) {
  return { baseUrl, ...(cert !== undefined && { nodeOptions: { ca: cert } }) };
}
