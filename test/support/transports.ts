import type { Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";

/** Every way to speak to the port, by name. */
export const protocols: { name: string; connect: (baseUrl: string) => Transport }[] = [
  { name: "gRPC", connect: (baseUrl) => createGrpcTransport({ baseUrl }) },
  {
    name: "gRPC-Web over HTTP/1.1",
    connect: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  },
  {
    name: "gRPC-Web over HTTP/2",
    connect: (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  },
  {
    name: "Connect over HTTP/1.1",
    connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  },
  {
    name: "Connect over HTTP/2",
    connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  },
  {
    name: "Connect JSON over HTTP/1.1",
    connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  },
  {
    name: "Connect over HTTP/1.1 with GET",
    connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  },
];
