import { createServer, type Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectionEvent } from "../connection-event.ts";
import { http1Options, type Limits } from "../limits.ts";
import type { NodeHandler } from "../node-handler.ts";

/** What `createCleartextServer` takes. */
export interface CleartextOptions {
  limits: Limits;
  /** Gets the connections that speak HTTP/2. */
  http2: Http2Server;
  /** Aborted when no connection is taken any more. */
  stopped: AbortSignal;
  observe: (event: ConnectionEvent) => void;
}

/** What every HTTP/2 client sends first (RFC 9113, 3.4). All of it is compared: PROPFIND begins with PR, too. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** An HTTP server that tells HTTP/2 connections by their first bytes, which it puts back, and hands them to `http2`. */
export function createCleartextServer(options: CleartextOptions, handler: NodeHandler): Http1Server {
  const { limits, http2, stopped, observe } = options;
  const server = createServer(http1Options(limits), handler);
  const serveHttp1 = server.listeners("connection")[0];
  const sniffing = new Set<Socket>();

  const accept = (socket: Socket) => {
    let held: Buffer = Buffer.alloc(0);
    const drop = () => socket.destroy();
    const timer = setTimeout(() => {
      observe({ what: "sniff-timeout" });
      drop();
    }, limits.sniffMs);
    const release = () => {
      clearTimeout(timer);
      sniffing.delete(
        socket.off("readable", sniff).off("end", drop).off("error", drop).off("close", release),
      );
    };
    const sniff = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const length = Math.min(held.length, preface.length);
      const isHttp2 = held.subarray(0, length).equals(preface.subarray(0, length));
      if (isHttp2 && length < preface.length) return;
      release();
      // Once, at the end: an earlier unshift would emit "readable" again.
      socket.unshift(held);
      if (!isHttp2) return serveHttp1?.call(server, socket);
      // Half open, as HTTP/1.1 wants it, a socket that ends with FIN would never be closed by HTTP/2.
      socket.allowHalfOpen = false;
      http2.emit("connection", socket);
    };
    sniffing.add(socket);
    socket.on("readable", sniff).on("end", drop).on("error", drop).on("close", release);
  };

  stopped.addEventListener("abort", () => {
    for (const socket of sniffing) socket.destroy();
  });
  return server.removeAllListeners("connection").on("connection", accept);
}
