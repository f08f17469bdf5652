// The network layer of this project's server with a handler that does nothing. The package does not export it; it is
// measured apart so that what a call costs above node:http2 is known.
import { EventService } from "@event-ingestion/api";
import { createListener } from "../../packages/server/src/http/listener/listener.ts";
import { createRpcHandler } from "../../packages/server/src/http/rpc-handler.ts";
import { sayListening } from "./listening.ts";
import { noopAnswer } from "./noop-answer.ts";

const handler = createRpcHandler({
  routes: (router) => router.service(EventService, { ingestEvent: () => noopAnswer() }),
  fallback: (_request, response) => void response.writeHead(404).end(),
  onError: ({ error }) => {
    throw error;
  },
});
const { port } = await createListener(handler).listen({ host: "127.0.0.1", port: 0 });
sayListening(port);
