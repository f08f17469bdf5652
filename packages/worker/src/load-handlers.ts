import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { checkHandlers, type Handler, HandlersError, isHandler } from "./handler.ts";
import { expectedModule, loadProblem } from "./load-problem.ts";

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
    const problem = await loadProblem(error, file);
    throw new HandlersError(`cannot load handlers from "${file}": ${problem}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

async function importHandlers(file: string): Promise<readonly Handler[]> {
  if (!(await stat(file)).isFile()) throw new HandlersError(`it is not a file; ${expectedModule}`);
  const module: { default?: unknown } = await import(pathToFileURL(file).href);
  if (!("default" in module)) throw new HandlersError(`it has no default export; ${expectedModule}`);
  const exported = isCompiled(module.default) ? module.default.default : module.default;
  const nearly = nearlyHandlers(exported);
  if (nearly !== undefined) throw new HandlersError(`its default export is ${nearly}`);
  return checkHandlers("its default export", exported);
}

/** Whether that is an ES module that TypeScript or Babel has made a CommonJS one: its default export is a property. */
function isCompiled(exported: unknown): exported is { default: unknown } {
  if (typeof exported !== "object" || exported === null) return false;
  return "__esModule" in exported && "default" in exported;
}

/** Common mistakes in what a module exports, and what to write instead. */
function nearlyHandlers(exported: unknown): string | undefined {
  if (exported instanceof Promise) return 'a promise; await it: "export default await …"';
  if (isHandler(exported)) return 'one handler; make it an array: "export default [defineHandler(…)]"';
  if (typeof exported !== "function") return undefined;
  return 'a function; make it a handler in an array: "export default [defineHandler("*", …)]"';
}
