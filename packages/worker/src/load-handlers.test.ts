import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { HandlersError } from "./handler.ts";
import { loadHandlers } from "./load-handlers.ts";

const handler = JSON.stringify(new URL("handler.ts", import.meta.url).href);
const expected = "expected a module whose default export is an array of handlers made by defineHandler";

/** A module with this text, gone after the test. */
async function setup(text: string, name = "handlers.ts"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hand lers (1) %41-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

const defining = `import { defineHandler } from ${handler};\n`;
const good = `${defining}export default [defineHandler("a", async (): Promise<string> => "done"), defineHandler("*", async () => {})];`;

test("a module gives its handlers", async () => {
  const file = await setup(good);
  expect((await loadHandlers(file)).map(({ type }) => type)).toEqual(["a", "*"]);
});

test("a module that TypeScript or Babel made CommonJS gives its handlers", async () => {
  const file = await setup(
    `"use strict";
    Object.defineProperty(exports, "__esModule", { value: true });
    const worker = require(${JSON.stringify(fileURLToPath(new URL("handler.ts", import.meta.url)))});
    exports.default = [(0, worker.defineHandler)("a", async () => "done")];`,
    "handlers.cjs",
  );
  expect((await loadHandlers(file)).map(({ type }) => type)).toEqual(["a"]);
});

test("a relative path starts at the working directory", async () => {
  const file = await setup(good);
  expect(await loadHandlers(relative(process.cwd(), file))).toHaveLength(2);
});

test.for([
  ["export const handlers = [];", `it has no default export; ${expected}`],
  [
    "export default {};",
    "its default export must be an array of handlers made by defineHandler, got a value of type object",
  ],
  [
    "export default [async () => {}];",
    "its default export must hold only handlers made by defineHandler, got a value of type function at index 0",
  ],
  [
    "export default Promise.resolve([]);",
    'its default export is a promise; await it: "export default await …"',
  ],
  [
    "export default async () => {};",
    'its default export is a function; make it a handler in an array: "export default [defineHandler("*", …)]"',
  ],
  [
    `${defining}export default defineHandler("a", async () => {});`,
    'its default export is one handler; make it an array: "export default [defineHandler(…)]"',
  ],
  [good.replace('"*"', '"a"'), 'its default export must have one handler for each type, got two for "a"'],
  ['throw "no configuration";', "it threw no configuration"],
] as const)("%s is refused", async ([text, message]) => {
  const file = await setup(text);
  const error = new HandlersError(`cannot load handlers from "${file}": ${message}`);
  await expect(loadHandlers(file)).rejects.toThrow(error);
});

test("what a module throws is told with its line", async () => {
  const file = await setup('\nthrow new RangeError("no configuration");');
  const message = `cannot load handlers from "${file}": RangeError: no configuration (${file}:2)`;
  await expect(loadHandlers(file)).rejects.toThrow(new HandlersError(message));
});

test("what the import says about a broken module is kept", async () => {
  const file = await setup("export default [");
  const error = await loadHandlers(file).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HandlersError);
  expect(error).toMatchObject({
    message: expect.stringContaining(`cannot load handlers from "${file}": `),
    cause: expect.any(Error),
  });
});

test("a missing file and a folder are told apart", async () => {
  const file = await setup(good);
  const folder = join(file, "..", "folder");
  await mkdir(folder);
  await expect(loadHandlers(folder)).rejects.toThrow(`"${folder}": it is not a file; ${expected}`);
  const missing = join(folder, "none.ts");
  await expect(loadHandlers(missing)).rejects.toThrow(`"${missing}": there is no such file; ${expected}`);
});

test("a module that awaits for ever is given up", async () => {
  const file = await setup("await new Promise(() => {}); export default [];");
  const message = "it was not loaded within 50 ms; does it await what never comes?";
  await expect(loadHandlers(file, { timeoutMs: 50 })).rejects.toThrow(
    new HandlersError(`cannot load handlers from "${file}": ${message}`),
  );
});
