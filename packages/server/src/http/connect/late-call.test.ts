import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { expect, test } from "vitest";
import { openPoster } from "../testing/post-raw.ts";
import { startServer } from "../testing/test-server.ts";

const json = Buffer.from('"x"');
const inEnvelope = encodeEnvelope(0, json);

test.each([
  ["Connect", "Say", "application/json", json],
  ["Connect, past the fast path", "Say", "application/json;charset=utf8", json],
  ["Connect, stream of answers", "Count", "application/connect+json", inEnvelope],
  ["Connect, stream of requests", "Chat", "application/connect+json", inEnvelope],
  ["gRPC", "Say", "application/grpc+json", inEnvelope],
  ["gRPC, stream of answers", "Count", "application/grpc+json", inEnvelope],
  ["gRPC, stream of requests", "Chat", "application/grpc+json", inEnvelope],
  ["gRPC-Web", "Say", "application/grpc-web+json", inEnvelope],
  ["gRPC-Web, stream of answers", "Count", "application/grpc-web+json", inEnvelope],
])("%s: a call whose time is over on arrival is not begun", async (_, method, type, body) => {
  const begun: string[] = [];
  const server = await startServer({
    echo: {
      say: (message) => {
        begun.push("Say");
        return message;
      },
      async *count(message) {
        begun.push("Count");
        yield message;
      },
      async *chat(messages) {
        begun.push("Chat");
        yield* messages;
      },
    },
  });
  const post = openPoster(server);
  const path = `/test.Echo/${method}`;
  const timeouts = type.includes("grpc")
    ? ["0H", "0n", "1n"].map((value) => ({ "grpc-timeout": value }))
    : [{ "connect-timeout-ms": "0" }];
  for (const timeout of timeouts) {
    const fields = { "content-type": type, ...timeout } as Record<string, string>;
    expect([timeout, await post(path, fields, body)]).toMatchObject([
      timeout,
      { outcome: "deadline_exceeded" },
    ]);
  }
  expect(begun).toEqual([]);
  await post(path, { "content-type": type }, body);
  expect(begun).toEqual([method]);
});

test("GET: a call whose time is over on arrival is not begun", async () => {
  const { baseUrl } = await startServer();
  const url = `${baseUrl}/test.Echo/Get?connect=v1&encoding=json&message=%22x%22`;
  const answer = await fetch(url, { headers: { "connect-timeout-ms": "0" } });
  expect([answer.status, await answer.json()]).toMatchObject([504, { code: "deadline_exceeded" }]);
});
