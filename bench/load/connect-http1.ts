import { connect } from "node:net";
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
  const calls = callsOver(method);
  const socket = connect({
    port: Number(port),
    host: hostname,
    noDelay: true,
    // One piece of memory for all, and no stream: a twentieth of a call.
    onread: {
      buffer: readMemory,
      callback(length) {
        calls.take(Buffer.from(readMemory.subarray(0, length)));
        return true;
      },
    },
  });
  socket.on("error", calls.fail);
  socket.on("close", () => calls.fail(new Error(`${method}: the server closed the connection`)));
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
    call: (request) =>
      new Promise((resolve, reject) => {
        calls.wait({ resolve, reject });
        socket.write(request);
      }),
    close: () => void socket.destroy(),
  };
}

const readMemory = Buffer.alloc(64 * 1024);

/** The answers to calls, one after the other. */
function callsOver(method: string) {
  let waiting: Waiting | undefined;
  let received = nothing;
  /** The head of the last answer: most are the same for a second. */
  let head: Head = { bytes: nothing, end: 0 };
  const fail = (reason: Error) => waiting?.reject(reason);
  const take = (chunk: Buffer) => {
    received = received.byteLength === 0 ? chunk : Buffer.concat([received, chunk]);
    if (head.end === 0 || !received.subarray(0, head.bytes.byteLength).equals(head.bytes)) {
      const bodyStart = received.indexOf(headEnd) + headEnd.length;
      if (bodyStart < headEnd.length) return;
      const next = readHead(received.subarray(0, bodyStart));
      if (next === undefined) return fail(new Error(`${method}: ${received.toString()}`));
      head = next;
    }
    if (received.byteLength < head.end) return;
    if (received.byteLength > head.end) return fail(new Error(`${method}: more than one answer`));
    const body = received.subarray(head.bytes.byteLength);
    received = nothing;
    waiting?.resolve(body);
  };
  return { take, fail, wait: (caller: Waiting) => void (waiting = caller) };
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
