// @grpc/grpc-js with the codec of the generated messages and a handler that does nothing.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type EventRequest,
  EventRequestSchema,
  type EventResponse,
  EventResponseSchema,
} from "@event-ingestion/api";
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from "@grpc/grpc-js";
import { sayListening } from "./listening.ts";
import { noopAnswer } from "./noop-answer.ts";

const server = new Server();
server.addService(
  {
    IngestEvent: {
      path: "/event.EventService/IngestEvent",
      requestStream: false,
      responseStream: false,
      requestSerialize: (request: EventRequest) => Buffer.from(toBinary(EventRequestSchema, request)),
      requestDeserialize: (bytes: Buffer) => fromBinary(EventRequestSchema, bytes),
      responseSerialize: (response: EventResponse) => Buffer.from(toBinary(EventResponseSchema, response)),
      responseDeserialize: (bytes: Buffer) => fromBinary(EventResponseSchema, bytes),
    },
  },
  {
    IngestEvent: (
      _call: ServerUnaryCall<EventRequest, EventResponse>,
      callback: sendUnaryData<EventResponse>,
    ) => callback(null, noopAnswer()),
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  sayListening(port);
});
