import type { TaskMeta } from "vitest";
import { known, type Known, type Requirement } from "./requirements.ts";

export { isLong, rounds } from "./long.ts";
export { pythonWithGrpc, type Requirement } from "./requirements.ts";

declare module "vitest" {
  interface TaskMeta {
    /** Why the test does not run here. */
    notRun?: string;
  }
}

/** Options of a test or a suite. */
export interface Needs {
  skip: boolean;
  meta: Partial<TaskMeta>;
}

/**
 * What a test, or all tests of a suite, cannot do without: `test("…", needs("strace"), …)`. Where it is missing they are not
 * run, and the summary at the end names them with the reason. On CI what .ci/run installs must be there.
 *
 * @throws Error on CI, if something is missing that .ci/run installs.
 */
export function needs(...names: readonly (Known | Requirement)[]): Needs {
  const requirements = names.map((name) => (typeof name === "string" ? known(name) : name));
  return judge(requirements, process.env);
}

/** `needs`, in that environment. */
export function judge(requirements: readonly Requirement[], env: NodeJS.ProcessEnv): Needs {
  const missing = requirements.filter(({ isThere }) => !isThere());
  if (missing.length === 0) return { skip: false, meta: {} };
  const reasons = missing.map(({ name, otherwise = `${name} is missing` }) => otherwise);
  const fatal = missing.find((requirement) => isRequired(requirement, env));
  if (fatal === undefined) return { skip: true, meta: { notRun: reasons.join(", ") } };
  throw new Error(
    `${fatal.name} is missing, which .ci/run installs. Install it, or unset CI to leave out the tests that need it.`,
  );
}

function isRequired({ name, isInstalledOnCi }: Requirement, env: NodeJS.ProcessEnv): boolean {
  // What .ci/run could not install, and has said so.
  const excused = (env["CI_NOT_INSTALLED"] ?? "").split(",");
  return Boolean(env["CI"]) && isInstalledOnCi && !excused.includes(name);
}
