import type { Socket } from "node:net";
import type { ConnectionEvent } from "../connection-event.ts";
import type { NodeRequest, NodeResponse } from "../node-handler.ts";

/** Connections that are taken beyond the limit: enough for all who look after a server to ask at once. */
export const spareConnections = 32;

/** Both ends of a connection, also of TLS and of HTTP/2 over it. */
type Peer = Pick<Socket, "remoteAddress" | "remotePort">;

/** The connections beyond the limit. */
export interface SpareConnections {
  /** Takes one. */
  add(socket: Socket): void;
  has(peer: Peer | undefined): boolean;
  /** Answers a request over one of them that is no probe. False: it is one, or came over another connection. */
  refuse(request: NodeRequest, response: NodeResponse): boolean;
}

/**
 * A server at its limit of connections is healthy and must be able to say so; otherwise it would be restarted. So it accepts a few
 * more connections, for `spareMs` each, and answers only probes on them: GET and HEAD, and the health check of gRPC.
 */
export function createSpareConnections(
  spareMs: number,
  observe: (event: ConnectionEvent) => void,
): SpareConnections {
  /** Whether something was asked over each of them. */
  const open = new Map<string, boolean>();
  const has = (peer: Peer | undefined) => open.size > 0 && peer !== undefined && open.has(nameOf(peer));
  return {
    has,
    add(socket) {
      const name = nameOf(socket);
      open.set(name, false);
      const timer = setTimeout(() => {
        if (open.get(name) === false) observe({ what: "connection-limit" });
        socket.destroy();
      }, spareMs).unref();
      socket.once("close", () => {
        clearTimeout(timer);
        open.delete(name);
      });
    },
    refuse(request, response) {
      if (!has(request.socket)) return false;
      open.set(nameOf(request.socket), true);
      if (!("stream" in response)) response.setHeader("connection", "close");
      if (isProbe(request)) return false;
      observe({ what: "connection-limit" });
      const headers = { "content-type": "text/plain; charset=utf-8", "retry-after": "1" };
      response.writeHead(503, headers).end("too many connections; try again later\n");
      return true;
    },
  };
}

function nameOf({ remoteAddress, remotePort }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}

function isProbe({ method, url }: NodeRequest): boolean {
  return method === "GET" || method === "HEAD" || url === "/grpc.health.v1.Health/Check";
}
