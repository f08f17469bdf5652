import type { DescFile, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { createDescriptorIndex, type ProtoFile } from "./descriptors.ts";
import * as v1 from "./gen/grpc/reflection/v1/reflection_pb.ts";
import * as v1alpha from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { limitIdle } from "./limit-idle.ts";

/** What `reflectionRoutes` takes beside the services. */
export interface ReflectionOptions {
  /** Files that no service needs but clients may ask for, those of error details for example. Default none. */
  extraFiles?: readonly DescFile[];
  /** How long a stream may wait for the next question, in ms, 1 to 2^31 - 1; then DEADLINE_EXCEEDED. Default 60,000. */
  idleMs?: number;
}

/**
 * Describes the services, and reflection itself, by grpc.reflection.v1 and v1alpha.
 *
 * @throws RangeError for an option out of its limits.
 */
export function reflectionRoutes(
  services: readonly DescService[],
  options: ReflectionOptions = {},
): (router: ConnectRouter) => void {
  const { extraFiles = [], idleMs = 60_000 } = options;
  checkIdleMs(idleMs);
  const answer = createAnswers([...services, v1.ServerReflection, v1alpha.ServerReflection], extraFiles);

  async function* serverReflectionInfo<R extends Request>(
    requests: AsyncIterable<R>,
    { signal }: HandlerContext,
  ) {
    const sent = new Set<string>();
    for await (const originalRequest of limitIdle(requests, { idleMs, signal })) {
      const { host: validHost, messageRequest } = originalRequest;
      yield { validHost, originalRequest, messageResponse: answer(messageRequest, sent) };
    }
  }
  return (router) => {
    router.service(v1.ServerReflection, { serverReflectionInfo });
    router.service(v1alpha.ServerReflection, { serverReflectionInfo });
  };
}

type Request = v1.ServerReflectionRequest | v1alpha.ServerReflectionRequest;

/** Plain, so that each version builds its own messages from it. */
type Answer =
  | { case: "fileDescriptorResponse"; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: "allExtensionNumbersResponse"; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: "listServicesResponse"; value: { service: { name: string }[] } }
  | { case: "errorResponse"; value: { errorCode: number; errorMessage: string } };

/** Answers one question. `sent` holds the names of the files that its stream was sent, and is added to. */
function createAnswers(services: readonly DescService[], extraFiles: readonly DescFile[]) {
  const index = createDescriptorIndex([...services.map(({ file }) => file), ...extraFiles]);
  const names = [...new Set(services.map(({ typeName }) => typeName))].toSorted();

  const files = (what: string, file: ProtoFile | undefined, sent: Set<string>): Answer => {
    if (file === undefined) return notFound(what);
    const fileDescriptorProto = index.withDependencies(file, sent).map(({ bytes }) => bytes);
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  };

  return ({ case: kind, value }: Request["messageRequest"], sent: Set<string>): Answer => {
    switch (kind) {
      case "fileByFilename":
        return files("file", index.file(value), sent);
      case "fileContainingSymbol":
        return files("symbol", index.symbol(value), sent);
      case "fileContainingExtension":
        return files("extension", index.extension(value.containingType, value.extensionNumber), sent);
      case "allExtensionNumbersOfType": {
        const extensionNumber = index.extensionNumbers(value);
        if (extensionNumber === undefined) return notFound("message");
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: value, extensionNumber } };
      }
      case "listServices":
        return { case: "listServicesResponse", value: { service: names.map((name) => ({ name })) } };
      case undefined:
        throw new ConnectError("message_request is not set", Code.InvalidArgument);
    }
  };
}

/** The name is not repeated: it may be long, and the answer echoes the request anyway. */
const notFound = (what: string): Answer => ({
  case: "errorResponse",
  value: { errorCode: Code.NotFound, errorMessage: `no such ${what}` },
});

function checkIdleMs(got: number): void {
  const max = 2 ** 31 - 1;
  if (Number.isInteger(got) && got >= 1 && got <= max) return;
  throw new RangeError(`idleMs must be a whole number from 1 to ${max}, got ${got}`);
}
