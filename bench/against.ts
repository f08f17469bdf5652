import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Scenario } from "./scenario.ts";
import type { Target } from "./targets.ts";

/** A change may cost this much of a rate before it counts as slower: less than that is noise. */
const leastRatio = 0.97;

/**
 * Adds to every scenario of the service the same one over the build of another checkout, and a target for the ratio of the
 * two. They run side by side, in turns.
 *
 * @throws Error if the other checkout is not built
 */
export function compareWith(
  checkout: string,
  scenarios: readonly Scenario[],
): { scenarios: Scenario[]; targets: Target[] } {
  const main = resolve(checkout, "apps/server/dist/main.js");
  if (!existsSync(main)) throw new Error(`${main} is missing: build that checkout first (pnpm build)`);
  const service = pathToFileURL(main);
  const before = scenarios
    .filter(({ kind, when }) => kind === "service" && when !== "asked")
    .map((scenario): Scenario => {
      const name = nameBefore(scenario);
      const title = `the same, by the build of ${checkout}`;
      return Object.assign({}, scenario, { name, title, kind: "reference", service } as const);
    });
  const targets = scenarios
    .filter((scenario) => before.some(({ name }) => name === nameBefore(scenario)))
    .map((scenario): Target => ({
      title: `${scenario.name}: this build / the other`,
      of: scenario.name,
      over: nameBefore(scenario),
      figure: "rate",
      bound: "at least",
      must: leastRatio,
      aim: 1,
    }));
  return { scenarios: [...scenarios, ...before], targets };
}

function nameBefore({ name }: Scenario): string {
  return `${name}-before`;
}
