import type { Http2Server } from "node:http2";
import { createServer, type Server as HttpsServer, type ServerOptions } from "node:https";
import type { TLSSocket } from "node:tls";
import { http1Options, type Limits } from "../limits.ts";
import type { NodeHandler } from "../node-handler.ts";

/** Key and certificate; `ca`, `requestCert` and `rejectUnauthorized` ask clients for one, too. */
export type TlsOptions = Pick<ServerOptions, "key" | "cert" | "ca" | "requestCert" | "rejectUnauthorized">;

/** Suites with authenticated encryption and forward secrecy only, for TLS 1.3 and 1.2; earlier versions have none. */
const ciphers = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * An HTTPS server that hands the connections that negotiated HTTP/2 to `http2`. Not `http2.createSecureServer` with
 * `allowHTTP1`: that one cannot close all its HTTP/1.1 connections, and cleartext and TLS would end differently.
 */
export function createTlsServer(
  tls: TlsOptions,
  { limits, http2 }: { limits: Limits; http2: Http2Server },
  handler: NodeHandler,
): HttpsServer {
  const server = createServer(
    {
      ...http1Options(limits),
      ...tls,
      ALPNProtocols: ["h2", "http/1.1"],
      ciphers,
      handshakeTimeout: limits.tlsHandshakeMs,
    },
    handler,
  );
  const serveHttp1 = server.listeners("secureConnection")[0];
  server.removeAllListeners("secureConnection").on("secureConnection", (socket: TLSSocket) => {
    if (!server.listening) socket.destroy();
    else if (socket.alpnProtocol === "h2") http2.emit("connection", socket);
    else serveHttp1?.call(server, socket);
  });
  return server;
}
