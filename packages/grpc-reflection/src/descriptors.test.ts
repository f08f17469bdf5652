import { createFileRegistry, type DescFile, fromBinary, fromJson, type JsonObject } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import {
  file_google_protobuf_any,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDescriptorIndex, type DescriptorIndex, type ProtoFile } from "./descriptors.ts";

/** Descriptors as a compiler would make them. The last file is returned, the others are what it may import. */
function compile(...files: JsonObject[]): DescFile {
  const { file } = fromJson(FileDescriptorSetSchema, { file: files });
  const registry = createFileRegistry({
    $typeName: "google.protobuf.FileDescriptorSet",
    file: [file_google_protobuf_any.proto, ...file],
  });
  const last = registry.getFile(file.at(-1)?.name ?? "");
  if (last === undefined) throw new Error("no file");
  return last;
}

const optional = { label: "LABEL_OPTIONAL" };
const int = { ...optional, type: "TYPE_INT32" };
const base: JsonObject = {
  name: "shop/base.proto",
  package: "shop",
  messageType: [
    {
      name: "Early",
      extension: [{ ...int, name: "nested_extension", number: 101, extendee: ".shop.Thing" }],
    },
    {
      name: "Thing",
      field: [
        { ...int, name: "id", number: 1 },
        { ...int, name: "weight", number: 2, oneofIndex: 0 },
        {
          name: "counts",
          number: 3,
          label: "LABEL_REPEATED",
          type: "TYPE_MESSAGE",
          typeName: ".shop.Thing.CountsEntry",
        },
      ],
      oneofDecl: [{ name: "measure" }],
      nestedType: [
        {
          name: "CountsEntry",
          options: { mapEntry: true },
          field: [
            { ...optional, name: "key", number: 1, type: "TYPE_STRING" },
            { ...int, name: "value", number: 2 },
          ],
        },
        { name: "Part", nestedType: [{ name: "Screw" }] },
      ],
      enumType: [{ name: "Color", value: [{ name: "RED", number: 0 }] }],
      extensionRange: [{ start: 100, end: 2000 }],
    },
  ],
  enumType: [{ name: "Size", value: [{ name: "SMALL", number: 0 }] }],
  extension: [{ ...int, name: "outer_extension", number: 100, extendee: ".shop.Thing" }],
};
const service: JsonObject = {
  name: "shop/service.proto",
  package: "shop",
  dependency: ["shop/base.proto", "google/protobuf/any.proto"],
  extension: [
    {
      ...optional,
      name: "detail",
      number: 1000,
      extendee: ".shop.Thing",
      type: "TYPE_MESSAGE",
      typeName: ".google.protobuf.Any",
    },
  ],
  service: [
    { name: "Shop", method: [{ name: "Sell", inputType: ".shop.Thing", outputType: ".shop.Thing" }] },
  ],
};
const index = createDescriptorIndex([compile(base, service)]);

describe("symbol", () => {
  test.each([
    ["message", "shop.Thing"],
    ["nested message", "shop.Thing.Part.Screw"],
    ["entry of a map", "shop.Thing.CountsEntry"],
    ["field", "shop.Thing.id"],
    ["field of a oneof", "shop.Thing.weight"],
    ["field of a map's entry", "shop.Thing.CountsEntry.key"],
    ["oneof", "shop.Thing.measure"],
    ["enum", "shop.Size"],
    ["value of an enum", "shop.SMALL"],
    ["nested enum", "shop.Thing.Color"],
    ["value of a nested enum", "shop.Thing.RED"],
    ["extension", "shop.outer_extension"],
    ["nested extension", "shop.Early.nested_extension"],
  ])("finds the %s", (_what, name) => {
    expect(index.symbol(name)?.name).toBe("shop/base.proto");
    expect(index.symbol(`.${name}`)?.name).toBe("shop/base.proto");
  });

  test.each([
    ["shop.Shop", "shop/service.proto"],
    ["shop.Shop.Sell", "shop/service.proto"],
    ["shop.detail", "shop/service.proto"],
    ["google.protobuf.Any.type_url", "google/protobuf/any.proto"],
  ])("finds %s in %s", (name, file) => {
    expect(index.symbol(name)?.name).toBe(file);
  });

  test.each([
    "",
    ".",
    "shop",
    "shop.",
    "..shop.Thing",
    "Thing",
    "shop.Size.SMALL",
    "shop.thing",
    "constructor",
  ])("does not find %j", (name) => expect(index.symbol(name)).toBeUndefined());

  test("finds what has no package", () => {
    const bare = createDescriptorIndex([compile({ name: "bare.proto", messageType: [{ name: "Bare" }] })]);
    expect(bare.symbol("Bare")?.name).toBe("bare.proto");
    expect(bare.symbol(".Bare")?.name).toBe("bare.proto");
  });
});

describe("extension", () => {
  test.each([
    [100, "shop/base.proto"],
    [101, "shop/base.proto"],
    [1000, "shop/service.proto"],
    [102, undefined],
  ])("%d is declared in %s", (number, file) => {
    expect(index.extension("shop.Thing", number)?.name).toBe(file);
    expect(index.extension(".shop.Thing", number)?.name).toBe(file);
    expect(index.extension("shop.Early", number)).toBeUndefined();
  });

  test("numbers are ascending, from all files", () => {
    expect(index.extensionNumbers("shop.Thing")).toEqual([100, 101, 1000]);
    expect(index.extensionNumbers(".shop.Thing")).toEqual([100, 101, 1000]);
  });

  test("numbers tell a message without any from what is no message", () => {
    expect(index.extensionNumbers("shop.Thing.CountsEntry")).toEqual([]);
    expect(index.extensionNumbers("shop.Size")).toBeUndefined();
    expect(index.extensionNumbers("shop.Shop")).toBeUndefined();
    expect(index.extensionNumbers("shop.Nothing")).toBeUndefined();
  });
});

test("a file is sent as it was compiled, with options that nobody here knows", () => {
  const compiled = compile({ ...base, options: { javaPackage: "shop" } });
  const custom = [{ no: 50_000, wireType: WireType.Varint, data: Uint8Array.of(42) }];
  Object.assign(compiled.proto.options ?? {}, { $unknown: custom });
  const bytes = createDescriptorIndex([compiled]).file("shop/base.proto")?.bytes ?? new Uint8Array();
  const sent = fromBinary(FileDescriptorProtoSchema, bytes);
  expect(sent).toEqual(compiled.proto);
  expect(sent.options).toMatchObject({ javaPackage: "shop", $unknown: custom });
});

test("of two files with one path the first is taken", () => {
  const other = compile({ name: "shop/base.proto", package: "other", messageType: [{ name: "Other" }] });
  const both = createDescriptorIndex([compile(base), other]);
  expect(both.symbol("shop.Thing")?.name).toBe("shop/base.proto");
  expect(both.symbol("other.Other")).toBeUndefined();
});

describe("withDependencies", () => {
  test("goes breadth first, in the order of the imports", () => {
    const diamond = createDescriptorIndex([compile(...graph([[], [], [0], [1, 0], [2, 3]]))]);
    const order = ["4.proto", "2.proto", "3.proto", "0.proto", "1.proto"];
    expect(names(diamond.withDependencies(fileOf(diamond, 4), new Set()))).toEqual(order);
  });

  test("leaves out what was sent, but never the file itself", () => {
    const chain = createDescriptorIndex([compile(...graph([[], [0], [1], [2, 1]]))]);
    const sent = new Set<string>();
    expect(names(chain.withDependencies(fileOf(chain, 1), sent))).toEqual(["1.proto", "0.proto"]);
    expect(names(chain.withDependencies(fileOf(chain, 3), sent))).toEqual(["3.proto", "2.proto"]);
    expect(names(chain.withDependencies(fileOf(chain, 1), sent))).toEqual(["1.proto"]);
    expect(sent).toEqual(new Set(["0.proto", "1.proto", "2.proto", "3.proto"]));
  });

  test("any questions about any files: enough to build them, each once", () => {
    const imports = fc
      .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 9 })
      .map((lists) => lists.map((list, n) => (n === 0 ? [] : [...new Set(list.map((of) => of % n))])));
    fc.assert(
      fc.property(imports, fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), (lists, questions) => {
        const protos = graph([...lists, lists.map((_, n) => n)]);
        const all = createDescriptorIndex([compile(...protos)]);
        const sent = new Set<string>();
        const received = new Map<string, FileDescriptorProto>();
        for (const question of questions) {
          const root = fileOf(all, question % lists.length);
          const answer = all.withDependencies(root, sent);
          expect(answer[0]).toBe(root);
          for (const { name, bytes } of answer) {
            expect(name === root.name || !received.has(name)).toBe(true);
            received.set(name, fromBinary(FileDescriptorProtoSchema, bytes));
          }
          // Files import only files of lower number. Throws when an import is missing, however far away.
          const file = [...received.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
          createFileRegistry({ $typeName: "google.protobuf.FileDescriptorSet", file });
        }
        expect(sent).toEqual(new Set(received.keys()));
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });
});

const names = (files: ProtoFile[]) => files.map(({ name }) => name);

/** One file for each list of imports; file n may import those before it. */
function graph(imports: readonly (readonly number[])[]): JsonObject[] {
  return imports.map((dependency, n) => ({
    name: `${n}.proto`,
    dependency: dependency.map((imported) => `${imported}.proto`),
  }));
}

function fileOf(graphIndex: DescriptorIndex, n: number): ProtoFile {
  const found = graphIndex.file(`${n}.proto`);
  if (found === undefined) throw new Error(`no ${n}.proto`);
  return found;
}
