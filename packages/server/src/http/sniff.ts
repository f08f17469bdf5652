import type { Server as Http1Server } from "node:http";
import type { Http2Server } from "node:http2";
import type { Socket } from "node:net";

/** Who speaks what, and for how long a connection may keep it to itself. */
export interface SnifferOptions {
  /** Owns the port; its own treatment of new connections is replaced. */
  http1: Http1Server;
  http2: Http2Server;
  /** From accepting a connection to knowing its protocol, in ms. */
  timeoutMs: number;
  /** A connection did not say in time which protocol it speaks; it is being destroyed. */
  timedOut: () => void;
}

/** The connections whose protocol is not known yet. */
export interface Sniffer {
  destroyAll(): void;
}

/** What every HTTP/2 client sends first (RFC 9113, 3.4). All of it is compared: PROPFIND begins with PR, too. */
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** Tells HTTP/2 from HTTP/1.1 on cleartext connections by their first bytes, which it puts back. */
export function sniffConnections({ http1, http2, timeoutMs, timedOut }: SnifferOptions): Sniffer {
  const serveHttp1 = http1.listeners("connection")[0];
  const sniffing = new Set<Socket>();

  const accept = (socket: Socket) => {
    let held: Buffer = Buffer.alloc(0);
    const drop = () => socket.destroy();
    const timer = setTimeout(() => {
      timedOut();
      drop();
    }, timeoutMs);
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
      if (!isHttp2) return serveHttp1?.call(http1, socket);
      // Half open, as HTTP/1.1 wants it, a socket that ends with FIN would never be closed by HTTP/2.
      socket.allowHalfOpen = false;
      http2.emit("connection", socket);
    };
    sniffing.add(socket);
    socket.on("readable", sniff).on("end", drop).on("error", drop).on("close", release);
  };

  http1.removeAllListeners("connection").on("connection", accept);
  return {
    destroyAll() {
      for (const socket of sniffing) socket.destroy();
    },
  };
}
