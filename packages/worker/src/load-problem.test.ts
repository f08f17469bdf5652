import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadProblem } from "./load-problem.ts";

/** A folder with these files, gone after the test. */
async function setup(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hand lers (1) %41-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** As import() throws it: without the file that is wrong. */
const unplaced = () => Object.assign(new SyntaxError("Unexpected identifier 'b'"), { stack: "" });

const ran = "process.stderr.write('/ran/here.mjs:1\\n');\n";

test.for([
  ["in the module itself", { "handlers.mjs": `${ran}\nexport default [a b];` }, "handlers.mjs:3"],
  [
    "in a file that it imports",
    {
      "handlers.mjs": `${ran}import "./first.mjs"; import "./second.mjs"; export default [];`,
      "first.mjs": ran,
      "second.mjs": `// a comment\nlet a b;`,
    },
    "second.mjs:2",
  ],
] as const)(
  "wrong syntax %s is told with file and line, and nothing runs for that",
  async ([, files, place]) => {
    const folder = await setup(files);
    expect(await loadProblem(unplaced(), join(folder, "handlers.mjs"))).toBe(
      `SyntaxError: Unexpected identifier 'b' (${join(folder, place)})`,
    );
  },
);

test("wrong syntax that cannot be found is told without a place", async () => {
  const folder = await setup({ "handlers.mjs": "export default [];" });
  expect(await loadProblem(unplaced(), join(folder, "handlers.mjs"))).toBe(
    "SyntaxError: Unexpected identifier 'b'",
  );
});

test("what caused the error is told", async () => {
  const error = Object.assign(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }), {
    stack: "",
  });
  expect(await loadProblem(error, "/handlers.mjs")).toBe("TypeError: fetch failed (cause: ECONNREFUSED)");
});
