import { connect, type Socket } from "node:net";
import type { Connection, Target } from "./connection.ts";

const headEnd = "\r\n\r\n";

interface Waiting {
  resolve: (body: Buffer) => void;
  reject: (reason: Error) => void;
}

/**
 * The Connect protocol with binary messages over HTTP/1.1, one call after the other over a kept connection. Written on
 * sockets: the client of node:http costs four times as much, more than a fast server, and would be what is measured.
 */
export function connectHttp1({ url, method }: Target): Connection {
  const { host, hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  return {
    envelope(message) {
      const head = [
        `POST /${method} HTTP/1.1`,
        `host: ${host}`,
        "content-type: application/proto",
        "connect-protocol-version: 1",
        `content-length: ${message.byteLength}`,
      ];
      return Buffer.concat([Buffer.from(head.join("\r\n") + headEnd), message]);
    },
    call: callsOver(socket, method),
    close: () => void socket.destroy(),
  };
}

function callsOver(socket: Socket, method: string): Connection["call"] {
  let waiting: Waiting | undefined;
  let received: Buffer = Buffer.alloc(0);
  const fail = (reason: Error) => waiting?.reject(reason);
  socket.setNoDelay().on("error", fail);
  socket.on("close", () => fail(new Error(`${method}: the server closed the connection`)));
  socket.on("data", (chunk: Buffer) => {
    received = received.byteLength === 0 ? chunk : Buffer.concat([received, chunk]);
    const bodyStart = received.indexOf(headEnd) + headEnd.length;
    if (bodyStart < headEnd.length) return;
    const head = received.toString("latin1", 0, bodyStart);
    const bodyEnd = bodyStart + Number(/^content-length: *(\d+)\r$/im.exec(head)?.[1]);
    if (Number.isNaN(bodyEnd)) return fail(new Error(`${method}: an answer without content-length`));
    if (received.byteLength < bodyEnd) return;
    const body = received.subarray(bodyStart, bodyEnd);
    received = received.subarray(bodyEnd);
    if (head.startsWith("HTTP/1.1 200 ")) waiting?.resolve(body);
    else fail(new Error(`${method}: ${head.slice(0, head.indexOf("\r"))}: ${body.toString()}`));
  });
  return (request) =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      socket.write(request);
    });
}
