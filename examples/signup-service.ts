// A small service of another team: it takes signups over HTTP and hands them to the event service.
//   SERVER_ADDRESS=http://localhost:50051 PORT=8080 node examples/signup-service.ts
//   curl -d '{"id":"u-1","email":"ada@example.com"}' http://localhost:8080
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { createEventClient } from "@event-ingestion/client";

const baseUrl = process.env.SERVER_ADDRESS ?? "http://localhost:50051";
const client = createEventClient({ transport: createGrpcTransport({ baseUrl }) });

const server = createServer(async (request, response) => {
  const { id, email } = (await json(request)) as { id: string; email: string };
  // The user's id makes the event id: a signup that is sent twice sends one mail.
  const event = { eventId: `signup-${id}`, type: "user.signup", payload: JSON.stringify({ email }) };
  const { response: answer } = await client.ingest(event);
  response.writeHead(answer.accepted ? 202 : 409).end(`${answer.jobId || answer.message}\n`);
});
server.listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => {
  const address = server.address();
  console.log(`signups on http://localhost:${typeof address === "object" ? address?.port : ""}`);
});
