// node:http2 and nothing else: every request is read, and answered with the same bytes. What is left of the cost of a
// call when the server does nothing at all.
import { createServer } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import { EventResponseSchema } from "@event-ingestion/api";
import { listen } from "./listening.ts";
import { noopAnswer } from "./noop-answer.ts";

const message = toBinary(EventResponseSchema, noopAnswer());
const answer = Buffer.concat([Buffer.from([0, 0, 0, 0, message.byteLength]), message]);

const server = createServer();
server.on("stream", (stream) => {
  stream.on("data", () => undefined);
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.on("end", () => {
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.end(answer);
  });
});
listen(server);
