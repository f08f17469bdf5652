import { execFile } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HandlersError } from "./handler.ts";
import { errorText } from "./verdict.ts";

/** The form of a handlers module, for messages. */
export const expectedModule =
  "expected a module whose default export is an array of handlers made by defineHandler";

/** How long the search for wrong syntax may take. */
const searchMs = 10_000;

/** Why the module could not be loaded, with file and line where they can be found. */
export async function loadProblem(error: unknown, file: string): Promise<string> {
  if (!(error instanceof Error)) return `it threw ${errorText(error)}`;
  if (error instanceof HandlersError) return error.message;
  // The same code comes from a file that the module itself opens while it is imported.
  const isMissing = "code" in error && error.code === "ENOENT" && "path" in error && error.path === file;
  if (isMissing) return `there is no such file; ${expectedModule}`;
  const isUnplaced = error instanceof SyntaxError && placeIn(error.stack) === undefined;
  const place = isUnplaced ? await findSyntaxError(file) : placeIn(error.stack);
  return `${error.name}: ${errorText(error)}${place === undefined ? "" : ` (${place})`}`;
}

/** "/path/handlers.ts:7" if the text names it, on a line of its own as for wrong syntax, or as where it was thrown. */
function placeIn(stack = ""): string | undefined {
  const places = stack.matchAll(/(?:^| at (?:async )?|\()(file:\/\/)?(\/.+?)(:\d+)(?::\d+)?\)?$/gm);
  const here = fileURLToPath(import.meta.url);
  return Array.from(
    places,
    ([, scheme = "", path = "", line = ""]) => pathOf(`${scheme}${path}`) + line,
  ).find((where) => !where.startsWith(here));
}

/** What is no URL of a file, after all, stays as it is. */
function pathOf(place: string): string {
  try {
    return place.startsWith("file:") ? fileURLToPath(place) : place;
  } catch {
    return place;
  }
}

/**
 * Where a module or one that it imports has wrong syntax. import() does not tell, but a process that ends because of it does.
 * Modules are linked before the first of them is evaluated, so nothing of them runs there.
 */
function findSyntaxError(file: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const program = `import ${JSON.stringify(pathToFileURL(file).href)}`;
  const args = [...process.execArgv, "--input-type=module", "--eval", program];
  execFile(process.execPath, args, { timeout: searchMs }, (_error, _stdout, stderr) => {
    resolve(placeIn(stderr));
  });
  return promise;
}
