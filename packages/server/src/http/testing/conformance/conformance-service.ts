import type { Message, Registry } from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Code } from "@connectrpc/connect";

// The messages of Connect's conformance suite, as far as a server needs them. Its descriptors are read at run time: its
// .proto files come with the suite.

/** A field of a header, trailer or query. */
export interface Field {
  name: string;
  value: string[];
}

/** An error to be answered with. */
export interface ErrorDefinition {
  code: Code;
  message?: string;
  details: Any[];
}

interface Definition {
  responseHeaders: Field[];
  responseTrailers: Field[];
  responseDelayMs: number;
}

/** What a unary call or a stream of requests is to be answered with. */
export interface UnaryDefinition extends Definition {
  response:
    | { case: "responseData"; value: Uint8Array }
    | { case: "error"; value: ErrorDefinition }
    | { case: undefined };
}

/** What a call is to be answered with in a stream. */
export interface StreamDefinition extends Definition {
  responseData: Uint8Array[];
  error?: ErrorDefinition;
}

/** What the server got. */
type RequestInfo = Message & {
  requestHeaders: (Message & Field)[];
  timeoutMs?: bigint;
  requests: Any[];
  connectGetInfo?: Message & { queryParams: (Message & Field)[] };
};

type UnaryRequest = Message & { responseDefinition?: UnaryDefinition };
type StreamRequest = Message & { responseDefinition?: StreamDefinition };
type BidiRequest = StreamRequest & { fullDuplex: boolean };
type Response = Message & { payload?: Message & { data: Uint8Array; requestInfo?: RequestInfo } };

interface Method<Kind, Request extends Message> {
  methodKind: Kind;
  input: GenMessage<Request>;
  output: GenMessage<Response>;
}

/** The service that the suite calls. */
type ConformanceService = GenService<{
  unary: Method<"unary", UnaryRequest>;
  idempotentUnary: Method<"unary", UnaryRequest>;
  serverStream: Method<"server_streaming", StreamRequest>;
  clientStream: Method<"client_streaming", UnaryRequest>;
  bidiStream: Method<"bidi_streaming", BidiRequest>;
  unimplemented: Method<"unary", Message>;
}>;

/** What the suite says to a server program on its standard input. */
export type ServerRequest = Message & {
  useTls: boolean;
  /** A client has to have this certificate, if it is given. */
  clientTlsCert: Uint8Array;
  /** In bytes; 0 for none. */
  messageReceiveLimit: number;
  serverCreds?: { cert: Uint8Array; key: Uint8Array };
};

/** What the program says on its standard output. */
type ServerResponse = Message & { host: string; port: number; pemCert: Uint8Array };

/** What the descriptors of the suite describe. */
export interface Schemas {
  service: ConformanceService;
  requestInfo: GenMessage<RequestInfo>;
  serverRequest: GenMessage<ServerRequest>;
  serverResponse: GenMessage<ServerResponse>;
}

/** Finds them. @throws Error naming what is missing. */
export function findSchemas(registry: Registry): Schemas {
  const message = (name: string) => found(registry.getMessage(full(name)), name);
  return {
    service: found(
      registry.getService(full("ConformanceService")),
      "ConformanceService",
    ) as ConformanceService,
    requestInfo: message("ConformancePayload.RequestInfo") as GenMessage<RequestInfo>,
    serverRequest: message("ServerCompatRequest") as GenMessage<ServerRequest>,
    serverResponse: message("ServerCompatResponse") as GenMessage<ServerResponse>,
  };
}

const full = (name: string) => `connectrpc.conformance.v1.${name}`;

function found<T>(description: T | undefined, name: string): T {
  if (description === undefined) throw new Error(`the descriptors have no ${full(name)}`);
  return description;
}
