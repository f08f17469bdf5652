import { connect, createServer as createTcpServer, type Socket } from "node:net";
import { once } from "node:events";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Interceptor } from "@connectrpc/connect";
import { createServer, type EventServer } from "@event-ingestion/server";
import type { JobSource, JobStore } from "@event-ingestion/store";
import { onTestFinished } from "vitest";
import { remoteSource } from "../remote/remote-source.ts";

/** A server over `store`, closed after the test and before its store. */
export async function serve(
  store: JobStore,
  port = 0,
): Promise<{ server: EventServer; url: string; port: number }> {
  const server = createServer({ store, port, graceMs: 100 });
  const listening = await server.listen();
  onTestFinished(() => server.close());
  return { server, url: listening.url, port: listening.port };
}

/** The jobs of the server at `url`, over gRPC. */
export function remote(baseUrl: string, interceptors: Interceptor[] = []): JobSource {
  return remoteSource(createGrpcTransport({ baseUrl, interceptors }));
}

/** A proxy of TCP connections, to move clients from one server to another. */
export interface Proxy {
  url: string;
  /** Cuts all connections; new ones go to this port. undefined: they are cut as well. */
  switchTo(port: number | undefined): void;
}

/** A proxy to `port`. Closed after the test. */
export async function startProxy(port: number): Promise<Proxy> {
  let target: number | undefined = port;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
    return socket;
  };
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy = createTcpServer((client) => {
    if (target === undefined) return void client.destroy();
    const server = keep(connect(target, "127.0.0.1"));
    keep(client).pipe(server).pipe(client);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => {
    proxy.close();
    cutAll();
  });
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    switchTo(next) {
      target = next;
      cutAll();
    },
  };
}
