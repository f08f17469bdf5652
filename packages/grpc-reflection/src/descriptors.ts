import { type DescFile, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

/** A .proto file. */
export interface ProtoFile {
  /** Its path as others import it, "google/protobuf/any.proto". */
  name: string;
  /** Paths of the files that it imports, in the order of its imports. */
  dependencies: readonly string[];
  /** Its google.protobuf.FileDescriptorProto. */
  bytes: Uint8Array;
}

/** Finds files by what they declare. Full names may have a leading dot. */
export interface DescriptorIndex {
  /** The file of this path. */
  file: (name: string) => ProtoFile | undefined;
  /** The file that declares a message, field, oneof, enum, enum value, extension, service or method. */
  symbol: (name: string) => ProtoFile | undefined;
  /** The file that declares the extension of a message by this number. */
  extension: (message: string, number: number) => ProtoFile | undefined;
  /** The numbers of all extensions of a message, ascending; undefined if there is no such message. */
  extensionNumbers: (message: string) => number[] | undefined;
  /** The file, then whatever it needs and `sent` does not name, breadth first. Adds all their names to `sent`. */
  withDependencies: (file: ProtoFile, sent: Set<string>) => ProtoFile[];
}

/** Indexes the files and all that they import. Of two files with one path the first is taken. */
export function createDescriptorIndex(roots: readonly DescFile[]): DescriptorIndex {
  const files = new Map<string, ProtoFile>();
  const symbols = new Map<string, ProtoFile>();
  const extensions = new Map<string, Map<number, ProtoFile>>();

  const extensionsOf = (message: string) => {
    const known = extensions.get(message) ?? new Map<number, ProtoFile>();
    extensions.set(message, known);
    return known;
  };
  const add = ({ proto, dependencies }: DescFile) => {
    if (files.has(proto.name)) return;
    const bytes = toBinary(FileDescriptorProtoSchema, proto);
    const file = { name: proto.name, dependencies: proto.dependency, bytes };
    files.set(file.name, file);
    for (const { name, is } of declarationsIn(proto)) {
      symbols.set(name, file);
      if (is === "message") extensionsOf(name);
      if (typeof is === "object") extensionsOf(withoutDot(is.extendee)).set(is.number, file);
    }
    for (const dependency of dependencies) add(dependency);
  };
  for (const root of roots) add(root);

  return {
    file: (name) => files.get(name),
    symbol: (name) => symbols.get(withoutDot(name)),
    extension: (message, number) => extensions.get(withoutDot(message))?.get(number),
    extensionNumbers(message) {
      const numbers = extensions.get(withoutDot(message))?.keys();
      return numbers && [...numbers].toSorted((a, b) => a - b);
    },
    withDependencies(file, sent) {
      const found = [file];
      sent.add(file.name);
      for (const { dependencies } of found) {
        for (const name of dependencies) {
          const dependency = files.get(name);
          if (dependency === undefined || sent.has(name)) continue;
          sent.add(name);
          found.push(dependency);
        }
      }
      return found;
    },
  };
}

interface Declaration {
  /** Full, without a leading dot. */
  name: string;
  is: "message" | "other" | FieldDescriptorProto;
}

// The raw descriptors are walked, because the `nestedMessages` of a DescMessage leave out the entries of maps.
function* declarationsIn(file: FileDescriptorProto): Generator<Declaration> {
  const scope = file.package;
  for (const message of file.messageType) yield* declarationsOfMessage(scope, message);
  for (const declared of file.enumType) yield* declarationsOfEnum(scope, declared);
  for (const extension of file.extension) yield { name: join(scope, extension.name), is: extension };
  for (const { name: service, method } of file.service) {
    yield { name: join(scope, service), is: "other" };
    for (const { name } of method) yield { name: join(scope, `${service}.${name}`), is: "other" };
  }
}

function* declarationsOfMessage(scope: string, message: DescriptorProto): Generator<Declaration> {
  const name = join(scope, message.name);
  yield { name, is: "message" };
  for (const member of [...message.field, ...message.oneofDecl])
    yield { name: join(name, member.name), is: "other" };
  for (const nested of message.nestedType) yield* declarationsOfMessage(name, nested);
  for (const nested of message.enumType) yield* declarationsOfEnum(name, nested);
  for (const extension of message.extension) yield { name: join(name, extension.name), is: extension };
}

/** The values of an enum are its siblings, as in C++. */
function* declarationsOfEnum(scope: string, declared: EnumDescriptorProto): Generator<Declaration> {
  for (const { name } of [declared, ...declared.value]) yield { name: join(scope, name), is: "other" };
}

const join = (scope: string, name: string) => (scope === "" ? name : `${scope}.${name}`);
const withoutDot = (name: string) => (name.startsWith(".") ? name.slice(1) : name);
