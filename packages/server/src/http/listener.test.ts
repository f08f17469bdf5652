import { connect } from "node:http2";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { selfSigned } from "./testing/certificate.ts";
import { openRaw } from "./testing/raw-socket.ts";
import { startServer } from "./testing/test-server.ts";

const get = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

test.each([
  ["cleartext", undefined],
  ["TLS", selfSigned()],
])("%s: HTTP/1.1 and HTTP/2 on one port", async (_, tls) => {
  const { port, baseUrl, cert } = await startServer({ tls });
  const raw = await openRaw({ port, cert });
  raw.write(get);
  expect((await raw.until((all) => all.includes("fallback"))).toString()).toMatch(/^HTTP\/1.1 200 OK\r\n/);

  const session = connect(baseUrl, cert === undefined ? {} : { ca: cert });
  onTestFinished(() => session.destroy());
  const [headers] = await once(session.request({ ":path": "/healthz" }), "response");
  expect(headers).toMatchObject({ ":status": 200 });
});
