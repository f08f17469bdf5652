import type { Result } from "../rounds.ts";
import type { Measurement } from "../scenario.ts";
import type { Target } from "../targets.ts";
import { cpuMicros, median, perSecond } from "./summary.ts";

/** A target and what came of it. */
export interface Assessment extends Target {
  measured?: number;
  verdict: "aim met" | "met" | "missed" | "not measured";
}

/** Those targets whose scenarios were part of the run. */
export function assess(targets: readonly Target[], results: readonly Result[]): Assessment[] {
  const find = (name: string | undefined) => results.find(({ scenario }) => scenario.name === name);
  return targets.flatMap((target): Assessment[] => {
    const [result, base] = [find(target.of), find(target.over)];
    if (result === undefined || (target.over !== undefined && base === undefined)) return [];
    const measured = median(rounds(target, result.measurements, base?.measurements));
    return [measured === undefined ? { ...target, verdict: "not measured" } : judge(target, measured)];
  });
}

/** Round by round: what else the machine does changes less within a round than over all of them. */
function rounds(
  { figure }: Target,
  measurements: readonly Measurement[],
  base: readonly Measurement[] | undefined,
): (number | undefined)[] {
  return measurements.map((measurement, round) => {
    const value = read(measurement, figure);
    if (base === undefined) return value;
    const other = base[round];
    const divisor = other && read(other, figure);
    return value === undefined || divisor === undefined ? undefined : value / divisor;
  });
}

function read(measurement: Measurement, figure: Target["figure"]): number | undefined {
  switch (figure) {
    case "rate":
      return perSecond(measurement);
    case "cpu":
      return cpuMicros(measurement);
    case "p50Ms":
    case "p99Ms":
      return measurement[figure];
    default:
      return measurement.also?.[figure.also];
  }
}

function judge(target: Target, measured: number): Assessment {
  const { bound, must, aim } = target;
  const within = (limit: number) => (bound === "at least" ? measured >= limit : measured <= limit);
  if (aim !== undefined && within(aim)) return { ...target, measured, verdict: "aim met" };
  return { ...target, measured, verdict: within(must) ? "met" : "missed" };
}
