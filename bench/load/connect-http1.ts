import { connect, type Socket } from "node:net";
import { connectHeaders } from "./client-headers.ts";
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
      const fields = Object.entries({ host, ...connectHeaders }).map(([name, value]) => `${name}: ${value}`);
      const head = [`POST /${method} HTTP/1.1`, ...fields].join("\r\n");
      const chunk = message.byteLength.toString(16);
      return Buffer.concat([
        Buffer.from(`${head}${headEnd}${chunk}\r\n`),
        message,
        Buffer.from(`\r\n0${headEnd}`),
      ]);
    },
    call: callsOver(socket, method),
    close: () => void socket.destroy(),
  };
}

function callsOver(socket: Socket, method: string): Connection["call"] {
  let waiting: Waiting | undefined;
  let received = nothing;
  /** The head of the last answer: most are the same for a second. */
  let head: Head = { bytes: nothing, end: 0 };
  const fail = (reason: Error) => waiting?.reject(reason);
  socket.setNoDelay().on("error", fail);
  socket.on("close", () => fail(new Error(`${method}: the server closed the connection`)));
  socket.on("data", (chunk: Buffer) => {
    received = received.byteLength === 0 ? chunk : Buffer.concat([received, chunk]);
    if (head.end === 0 || !received.subarray(0, head.bytes.byteLength).equals(head.bytes)) {
      const bodyStart = received.indexOf(headEnd) + headEnd.length;
      if (bodyStart < headEnd.length) return;
      const next = readHead(received.subarray(0, bodyStart));
      if (next === undefined) return fail(new Error(`${method}: ${received.toString()}`));
      head = next;
    }
    if (received.byteLength < head.end) return;
    const body = received.subarray(head.bytes.byteLength, head.end);
    received = received.subarray(head.end);
    waiting?.resolve(body);
  });
  return (request) =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      socket.write(request);
    });
}

interface Head {
  bytes: Buffer;
  /** Where the body after it ends. */
  end: number;
}

/** undefined if it does not begin an answer to count. */
function readHead(bytes: Buffer): Head | undefined {
  const text = bytes.toString("latin1");
  const length = /^content-length: *(\d+)\r$/im.exec(text)?.[1];
  if (!text.startsWith("HTTP/1.1 200 ") || length === undefined) return undefined;
  return { bytes: Buffer.from(bytes), end: bytes.byteLength + Number(length) };
}

const nothing: Buffer = Buffer.alloc(0);
