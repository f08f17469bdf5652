import { create, toBinary } from "@bufbuild/protobuf";
import { fileDesc, type GenService, serviceDesc } from "@bufbuild/protobuf/codegenv2";
import { base64Encode } from "@bufbuild/protobuf/wire";
import {
  file_google_protobuf_struct,
  file_google_protobuf_wrappers,
  FileDescriptorProtoSchema,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
  type ValueSchema,
} from "@bufbuild/protobuf/wkt";

const text = { inputType: ".google.protobuf.StringValue", outputType: ".google.protobuf.StringValue" };
const file = create(FileDescriptorProtoSchema, {
  name: "test/echo.proto",
  package: "test",
  syntax: "proto3",
  dependency: [file_google_protobuf_wrappers.proto.name, file_google_protobuf_struct.proto.name],
  service: [
    {
      name: "Echo",
      method: [
        { ...text, name: "Say" },
        {
          ...text,
          name: "Get",
          options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
        },
        { name: "Nest", inputType: ".google.protobuf.Value", outputType: ".google.protobuf.Value" },
        { ...text, name: "Count", serverStreaming: true },
        { ...text, name: "Join", clientStreaming: true },
        { ...text, name: "Chat", clientStreaming: true, serverStreaming: true },
      ],
    },
  ],
});

type Text<Kind> = { methodKind: Kind; input: typeof StringValueSchema; output: typeof StringValueSchema };

/** A service with a method of each kind, so that tests need no generated code. Its text messages are strings in JSON. */
export const Echo: GenService<{
  say: Text<"unary">;
  get: Text<"unary">;
  nest: { methodKind: "unary"; input: typeof ValueSchema; output: typeof ValueSchema };
  count: Text<"server_streaming">;
  join: Text<"client_streaming">;
  chat: Text<"bidi_streaming">;
}> = serviceDesc(
  fileDesc(base64Encode(toBinary(FileDescriptorProtoSchema, file)), [
    file_google_protobuf_wrappers,
    file_google_protobuf_struct,
  ]),
  0,
);
