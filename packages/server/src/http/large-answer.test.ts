import { expect, test } from "vitest";
import { selfSigned } from "./testing/certificate.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

test.each([70_000, 200_000, 1_000_000])(
  "TLS, HTTP/1.1: once an answer of %i bytes is there, its connection counts as free for the next request",
  async (bytes) => {
    const server = await startServer({ tls: selfSigned() });
    const free: boolean[] = [];
    server.listener.http1.on("secureConnection", (socket) => {
      const write = socket.write.bind(socket);
      socket.write = (data: string | Uint8Array, ...rest: never[]) => {
        const isFree = write(data, ...rest);
        if (data.length > 0) free.push(isFree);
        return isFree;
      };
    });
    const raw = await openRaw(server);
    const body = JSON.stringify("x".repeat(bytes));
    const head = "POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    for (const number of [1, 2]) {
      raw.write(`${head}content-length: ${body.length}\r\n\r\n${body}`);
      const all = await raw.until((received) => received.toString("latin1").split(body).length > number);
      expect(all.toString("latin1").split(`content-length: ${body.length}`)).toHaveLength(number + 1);
      expect(free.at(-1)).toBe(true);
    }
  },
);
