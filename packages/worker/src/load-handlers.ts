import { resolve } from "node:path";
import { stat } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { checkHandlers, type Handler, HandlersError } from "./handler.ts";
import { errorText } from "./verdict.ts";

const expected = "expected a module whose default export is an array of handlers made by defineHandler";

/** How a handlers module is loaded. */
export interface LoadOptions {
  /** How long the import may take; a top-level await can take for ever. Default 30,000. */
  timeoutMs?: number;
}

/**
 * Imports a handlers module; a relative path starts at the working directory.
 *
 * @throws HandlersError that names the module, what was wrong and what was expected.
 */
export async function loadHandlers(
  path: string,
  { timeoutMs = 30_000 }: LoadOptions = {},
): Promise<readonly Handler[]> {
  const file = resolve(path);
  const tooLate = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    tooLate.reject(
      new HandlersError(`it was not loaded within ${timeoutMs} ms; does it await what never comes?`),
    );
  }, timeoutMs);
  try {
    return await Promise.race([importHandlers(file), tooLate.promise]);
  } catch (error) {
    throw new HandlersError(`cannot load handlers from "${file}": ${problem(error, file)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function importHandlers(file: string): Promise<readonly Handler[]> {
  if (!(await stat(file)).isFile()) throw new HandlersError(`it is not a file; ${expected}`);
  const module: { default?: unknown } = await import(pathToFileURL(file).href);
  if (!("default" in module)) throw new HandlersError(`it has no default export; ${expected}`);
  return checkHandlers("its default export", module.default);
}

function problem(error: unknown, file: string): string {
  if (!(error instanceof Error)) return `it threw ${errorText(error)}`;
  if (error instanceof HandlersError) return error.message;
  // The same code comes from a file that the module itself opens while it is imported.
  const missing = "code" in error && error.code === "ENOENT" && "path" in error && error.path === file;
  return missing ? `there is no such file; ${expected}` : `${error.name}: ${error.message}${place(error)}`;
}

/** " (/path/handlers.ts:7)" if the stack names it, on its first line as for wrong syntax, or as where it was thrown. */
function place({ stack = "" }: Error): string {
  const places = stack.matchAll(/(?:^|[( ])(?:file:\/\/)?(\/[^\s()]+?:\d+)(?::\d+)?\)?$/gm);
  const here = fileURLToPath(import.meta.url);
  const found = Array.from(places, ([, where = ""]) => where).find((where) => !where.startsWith(here));
  return found === undefined ? "" : ` (${found})`;
}
