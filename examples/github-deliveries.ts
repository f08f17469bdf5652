// Prints the webhook deliveries that @octokit/webhooks-examples ships as NDJSON, one event a line:
//   node examples/github-deliveries.ts | event ingest --file -
// The event id is a hash of the delivery, so that sending the same file again stores nothing twice.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";

// A package of one JSON file, which Node imports only with an attribute that its types do not know.
const webhooks = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
  name: string;
  examples: unknown[];
}[];

function* deliveries(): Generator<string> {
  for (const { name, examples } of webhooks) {
    for (const example of examples) {
      const payload = JSON.stringify(example);
      const eventId = createHash("sha256").update(`${name}\n${payload}`).digest("hex");
      yield `${JSON.stringify({ event_id: eventId, type: name, payload })}\n`;
    }
  }
}

await pipeline(deliveries, process.stdout);
