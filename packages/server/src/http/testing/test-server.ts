import type { ServiceImpl } from "@connectrpc/connect";
import { EventService } from "@event-ingestion/api";
import { createHealth } from "@event-ingestion/grpc-health";
import { reflectionRoutes } from "@event-ingestion/grpc-reflection";
import { onTestFinished } from "vitest";
import type { RpcFailure } from "../connect/hide-errors.ts";
import type { Limits } from "../limits.ts";
import { createListener, type Listener } from "../listener/listener.ts";
import type { ConnectionEvent } from "../connection-event.ts";
import { createRpcHandler, type RpcHandlerOptions } from "../rpc-handler.ts";
import { Echo } from "./echo.ts";
import type { Target } from "./raw-socket.ts";

/** What a test may change of the server. */
export interface TestServerOptions {
  echo?: Partial<ServiceImpl<typeof Echo>>;
  limits?: Partial<Limits>;
  adapter?: Partial<RpcHandlerOptions>;
  tls?: { key: string; cert: string } | undefined;
}

/** A running server and what it told about itself. */
export interface TestServer extends Target {
  baseUrl: string;
  listener: Listener;
  /** Every path that an rpc is registered for. */
  paths: string[];
  events: ConnectionEvent["what"][];
  failures: RpcFailure[];
  /** Ends streams, as the grace time of a drain does. */
  shutdown: AbortController;
}

let fastPath = true;

/** Says whether servers without an option for it have a fast path. */
export function setFastPath(on: boolean): void {
  fastPath = on;
}

/** Echo, health, reflection and an EventService without methods on a free port; `/healthz` and `/throw` beside them. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const events: ConnectionEvent["what"][] = [];
  const failures: RpcFailure[] = [];
  const paths: string[] = [];
  const shutdown = new AbortController();
  const observe = ({ what }: ConnectionEvent) => void events.push(what);
  const handler = createRpcHandler({
    routes(router) {
      router.service(Echo, { ...echo, ...options.echo }).service(EventService, {});
      createHealth([Echo]).routes(router);
      reflectionRoutes([Echo])(router);
      paths.push(...router.handlers.map(({ requestPath }) => requestPath));
    },
    fallback(request, response) {
      if (request.url === "/throw") throw new Error("a secret");
      response.statusCode = request.url === "/healthz" ? 200 : 404;
      response.end("fallback");
    },
    onError: (failure) => void failures.push(failure),
    observe,
    shutdownSignal: shutdown.signal,
    fastPath,
    ...(options.limits && { limits: options.limits }),
    ...options.adapter,
  });
  const listener = createListener(handler, {
    observe,
    ...(options.limits && { limits: options.limits }),
    ...(options.tls && { tls: options.tls }),
  });
  const { port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    listener.destroy();
    await listener.closed;
  });
  const { tls } = options;
  const baseUrl = `http${tls === undefined ? "" : "s"}://localhost:${port}`;
  return { port, cert: tls?.cert, baseUrl, listener, paths, events, failures, shutdown };
}

/** Answers with what it is told; Count sends as many messages as the number it is told, Join one of all. */
const echo: ServiceImpl<typeof Echo> = {
  say: (message) => message,
  get: (message) => message,
  nest: (message) => message,
  async *count({ value }) {
    for (let n = 1; n <= Number(value); n++) yield { value: String(n) };
  },
  async join(messages) {
    let value = "";
    for await (const message of messages) value += message.value;
    return { value };
  },
  async *chat(messages) {
    for await (const message of messages) yield message;
  },
};
