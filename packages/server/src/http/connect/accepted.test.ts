import { expect, test } from "vitest";
import { openPoster } from "../testing/post-raw.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

test.each([
  ["Say", "text/plain", "application/json"],
  ["Say", "application/grpc-web-text", "application/json"],
  ["Say", "application/x-www-form-urlencoded", "application/json"],
  ["Count", "application/json", "application/connect+json"],
])("%s does not take %s, and the answer says what it takes", async (method, type, instead) => {
  const server = await startServer();
  const post = openPoster(server);
  const { headers, body } = await post(`/test.Echo/${method}`, { "content-type": type }, "{}");
  expect(headers).toMatchObject({ ":status": 415, "content-type": "text/plain; charset=utf-8" });
  const text = body.toString();
  expect(text).toMatch(/^content-type must be one of application\//);
  expect(text).toContain(`; got ${type}\n`);
  const accepted = String(headers["accept-post"]);
  expect(accepted.split(", ")).toContain(instead);
  expect(text).toContain(accepted);
  for (const one of accepted.split(", "))
    expect((await post(`/test.Echo/${method}`, { "content-type": one }, "")).headers[":status"]).not.toBe(
      415,
    );
});

test("nor a request without a type, over either version of HTTP, nor a GET without an encoding", async () => {
  const server = await startServer();
  const { headers, body } = await openPoster(server)("/test.Echo/Say", {}, "{}");
  expect([headers[":status"], body.toString()]).toEqual([415, expect.stringContaining("; got none")]);
  const raw = await openRaw(server);
  raw.write("POST /test.Echo/Say HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
  expect((await raw.closed).toString()).toMatch(
    /^HTTP\/1.1 415 .*accept-post: application\/json, .*; got none\n/is,
  );
  const answer = await fetch(`${server.baseUrl}/test.Echo/Get?message=%22x%22`);
  expect([answer.status, await answer.text()]).toEqual([
    415,
    "the query must have encoding=json or encoding=proto\n",
  ]);
});

test.each([
  ["Say", "application/json", "content-encoding", "accept-encoding"],
  ["Count", "application/connect+json", "connect-content-encoding", "connect-accept-encoding"],
  ["Say", "application/grpc", "grpc-encoding", "grpc-accept-encoding"],
  ["Count", "application/grpc", "grpc-encoding", "grpc-accept-encoding"],
  ["Say", "application/grpc-web", "grpc-encoding", "grpc-accept-encoding"],
])("%s, %s: an unknown %s is answered with what is taken", async (method, type, encoding, accept) => {
  const post = openPoster(await startServer());
  const fields = { "content-type": type, [encoding]: "br" };
  const { outcome, headers } = await post(`/test.Echo/${method}`, fields, Buffer.alloc(5));
  expect([outcome, headers[accept]]).toEqual(["unimplemented", "identity,gzip"]);
});
