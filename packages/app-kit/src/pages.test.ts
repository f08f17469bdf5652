import { once } from "node:events";
import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { servePages, textPage } from "./pages.ts";

async function serve() {
  const server = createServer(
    servePages({
      "/a": () => textPage(200, "it is here"),
      "/broken": () => Promise.reject(new Error("a secret")),
    }),
  ).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return async (path: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { method });
    return { status: response.status, body: await response.text(), headers: response.headers };
  };
}

test("a page is answered to GET, and to HEAD without its body, whatever the query", async () => {
  const request = await serve();
  const { status, body, headers } = await request("/a?b=c");
  expect([status, body, headers.get("cache-control")]).toEqual([200, "it is here\n", "no-store"]);
  expect(await request("/a", "HEAD")).toMatchObject({ status: 200, body: "" });
});

test.each([
  ["POST", "/a", 405],
  ["POST", "/b", 404],
  ["GET", "/a/", 404],
  ["GET", "/constructor", 404],
])("%s %s is answered %i", async (method, path, status) => {
  const request = await serve();
  expect(await request(path, method)).toMatchObject({ status });
});

test("a page that fails is a 500 that tells nothing", async () => {
  const request = await serve();
  expect(await request("/broken")).toMatchObject({ status: 500, body: "this page could not be made\n" });
});
