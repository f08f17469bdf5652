// connect-node as its documentation sets it up, with handlers that do nothing. HTTP=1.1 or 2.
import { createServer as createHttp1Server } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EventService } from "@event-ingestion/api";
import { listen } from "./listening.ts";
import { noopAnswer } from "./noop-answer.ts";

const handler = connectNodeAdapter({
  routes: (router) =>
    router.service(EventService, {
      ingestEvent: () => noopAnswer(),
      ingestBatch: ({ events }) => ({ results: events.map(noopAnswer) }),
    }),
});

listen(process.env.HTTP === "1.1" ? createHttp1Server(handler) : createHttp2Server(handler));
