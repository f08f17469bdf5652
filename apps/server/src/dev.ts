// `pnpm dev`: the service with the example handlers, then the demo against it over the real port. It stays up, and
// starts again when a file changes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { run } from "./run.ts";

const file = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const { url } = await run({ HANDLERS: file("../../../examples/handlers.ts"), ...process.env });
const cli = spawn(process.execPath, [file("../../client/src/main.ts"), "demo", "--server", url], {
  stdio: "inherit",
});
await once(cli, "exit");
process.stdout.write(hints(url));

/** One line a client, to copy. */
function hints(baseUrl: string): string {
  const { host } = new URL(baseUrl);
  const body = `'{"event_id":"my-1","type":"user.signup","payload":"{\\"email\\":\\"ada@example.com\\"}"}'`;
  const ingest = "event.EventService/IngestEvent";
  return `
Send an event yourself:
  curl      curl -d ${body} -H 'content-type: application/json' ${baseUrl}/${ingest}
  buf curl  pnpm buf curl --protocol grpc --http2-prior-knowledge -d ${body} ${baseUrl}/${ingest}
  grpcurl   grpcurl -plaintext -d ${body} ${host} ${ingest}
  event     pnpm event --server ${baseUrl} ingest --type user.signup --data '{"email":"ada@example.com"}' --wait
Metrics ${baseUrl}/metrics · health ${baseUrl}/healthz · Ctrl-C to stop
`;
}
