import { expect, test } from "vitest";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer } from "../testing/test-server.ts";

/** Sends one request and returns the whole answer. */
async function ask(target: string, { type = "application/json", host = "other" } = {}): Promise<string> {
  const raw = await openRaw(
    await startServer({
      echo: { say: (_, { url }) => ({ value: url }), get: (_, { url }) => ({ value: url }) },
    }),
  );
  const isGet = target.includes("message=");
  const head = `${isGet ? "GET" : "POST"} ${target} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n`;
  const body = isGet ? "\r\n" : `content-type: ${type}\r\ncontent-length: 3\r\n\r\n"x"`;
  raw.write(head + body);
  return (await raw.closed).toString();
}

test.each(["application/json", "application/json;charset=utf8"])(
  "a request target in absolute form is that of an rpc, and its authority counts: %s",
  async (type) => {
    for (const origin of ["http://named:81", "HTTP://named:81"])
      expect(await ask(`${origin}/test.Echo/Say`, { type })).toMatch(
        / 200 OK.*"http:\/\/named:81\/test.Echo\/Say"/s,
      );
  },
);

test("so is one of a GET and of a path that is no rpc", async () => {
  const query = "?connect=v1&encoding=json&message=%22x%22";
  expect(await ask(`http://named/test.Echo/Get${query}`)).toContain(`"http://named/test.Echo/Get${query}"`);
  expect(await ask("http://named/healthz")).toContain("200 OK");
  expect(await ask("http://named")).toContain("404 Not Found");
  expect(await ask("http://named?x")).toContain("404 Not Found");
});

test("its authority has to be one", async () => {
  expect(await ask("http://a:99999/test.Echo/Say")).toContain("400 Bad Request");
  expect(await ask("http:///test.Echo/Say")).toContain("400 Bad Request");
});
