import type { Scenario } from "./scenario.ts";
import type { Target } from "./targets.ts";

/** Puts those that are compared side by side: a machine changes its pace within minutes, and should for both. */
export function sideBySide(scenarios: readonly Scenario[], targets: readonly Target[]): Scenario[] {
  const placed = new Set<Scenario>();
  const place = (scenario: Scenario) => {
    if (placed.has(scenario)) return;
    placed.add(scenario);
    for (const { of, over } of targets) {
      const others = scenarios.filter(
        ({ name }) => (of === scenario.name && over === name) || (over === scenario.name && of === name),
      );
      for (const other of others) place(other);
    }
  };
  for (const scenario of scenarios) place(scenario);
  return [...placed];
}
