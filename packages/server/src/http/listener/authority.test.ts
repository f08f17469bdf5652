import { expect, test } from "vitest";
import { selfSigned } from "../testing/certificate.ts";
import { hello, parseFrames, request } from "../testing/http2-frames.ts";
import { openRaw } from "../testing/raw-socket.ts";
import { startServer, type TestServer } from "../testing/test-server.ts";

const malformed = [
  "",
  " ",
  "[",
  "]",
  "[::1",
  "a:b",
  "a:99999",
  "a b",
  "a@b@c:1",
  "http://a",
  "%",
  "%zz",
  "a<b>",
  "\\",
  "a^b",
  "\u0080",
  "\u00ff.\u00fe",
  "xn--a",
  "1.2.3.256",
  "0x100000000",
  "a".repeat(5000),
  ":",
  ":80",
  "a:-1",
  "a|b",
  "?",
  "#",
  "/",
  "//",
  "@",
  "user:pass@",
  "\t",
];

const modes = [
  ["cleartext", undefined],
  ["TLS", selfSigned()],
] as const;

/** Nothing is said of authorities that are merely odd; of all of them that the process lives and says so. */
async function isAlive(server: TestServer): Promise<void> {
  const raw = await openRaw(server);
  raw.write("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  expect((await raw.closed).toString()).toMatch(/^HTTP\/1.1 200 OK/);
  expect(server.failures).toEqual([]);
}

const post = (path: string, version: string, header: string) =>
  `POST ${path} HTTP/${version}\r\n${header}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}`;

test.each(modes)("%s, HTTP/1: a malformed or missing Host is answered on every path", async (_, tls) => {
  const server = await startServer({ tls });
  const send = async (text: string) => {
    const raw = await openRaw(server);
    raw.write(Buffer.from(text, "latin1"));
    raw.end();
    return (await raw.closed).toString("latin1");
  };
  for (const path of server.paths) {
    expect(await send(post(path, "1.0", ""))).toMatch(/^HTTP\/1.1 400 .*\r\nconnection: close\r\n/is);
    expect(await send(post(path, "1.1", ""))).toMatch(/^HTTP\/1.1 400 /);
    const answers = await Promise.all(malformed.map((host) => send(post(path, "1.1", `host: ${host}\r\n`))));
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 \d{3} /);
    expect(answers[malformed.indexOf("a:99999")]).toMatch(/^HTTP\/1.1 400 /);
  }
  await isAlive(server);
});

test.each(modes)("%s, HTTP/2: a malformed or missing authority is answered on every path", async (_, tls) => {
  const server = await startServer({ tls });
  const send = async (path: string, fields: Record<string, string>) => {
    const raw = await openRaw({ ...server, alpn: ["h2"] });
    raw.write(hello);
    raw.write(request({ ":method": "POST", ":scheme": "http", ":path": path, ...fields }));
    const answered = raw.until((all) =>
      parseFrames(all).some(
        ({ type, streamId }) => type === "GOAWAY" || (streamId === 1 && type !== "WINDOW_UPDATE"),
      ),
    );
    const frames = parseFrames(await Promise.race([answered.catch(() => Buffer.alloc(0)), raw.closed]));
    raw.destroy();
    const answer = frames.find(({ streamId, type }) => streamId === 1 && type !== "WINDOW_UPDATE");
    return answer?.type === "HEADERS" ? answer.payload[0] : answer?.type;
  };
  const status400 = 0x8c;
  const json = { "content-type": "application/json" };
  for (const path of server.paths) {
    expect(await send(path, json)).toBe("RST_STREAM");
    expect(await send(path, { ":authority": "a:99999", ...json })).toBe(status400);
    await Promise.all(malformed.map((authority) => send(path, { ":authority": authority, ...json })));
    await Promise.all(malformed.map((host) => send(path, { ...json, host })));
  }
  await isAlive(server);
});
