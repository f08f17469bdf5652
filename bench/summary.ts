import type { Result } from "./rounds.ts";
import type { Measurement, Scenario } from "./scenario.ts";

/** One row: the medians of a scenario's rounds, each by itself. */
export interface Summary extends Pick<Scenario, "name" | "title" | "kind" | "unit" | "durability"> {
  figures?: Figures;
  failure?: string;
}

/** Medians over the rounds. */
export interface Figures {
  perSecond: number;
  /** The slowest and the fastest round. */
  range: [number, number];
  p50Ms: number;
  p99Ms: number;
  /** CPU time of the measured process for each of what is counted, in microseconds. */
  cpuMicros?: number;
  /** The part of one core that the load generator took. */
  loadCores?: number;
  /** The rate over that of the scenario `against`. */
  ratio?: { of: number; against: string };
}

/** A row for every scenario, in their order. */
export function summarize(results: readonly Result[]): Summary[] {
  const rates = new Map(
    results.map(({ scenario, measurements }) => [scenario.name, median(measurements.map(perSecond))]),
  );
  return results.map(({ scenario, measurements, failure }) => {
    const { name, title, kind, unit, durability, against } = scenario;
    const summary: Summary = { name, title, kind, unit, durability };
    if (failure !== undefined) summary.failure = failure;
    const figures = figuresOf(measurements);
    if (figures === undefined) return summary;
    const base = against === undefined ? undefined : rates.get(against);
    if (against !== undefined && base !== undefined)
      figures.ratio = { of: figures.perSecond / base, against };
    return { ...summary, figures };
  });
}

/** undefined if no round came to its end. */
function figuresOf(measurements: readonly Measurement[]): Figures | undefined {
  const rates = measurements.map(perSecond);
  const rate = median(rates);
  if (rate === undefined) return undefined;
  const of = (figure: (measurement: Measurement) => number | undefined) =>
    median(measurements.map(figure).filter((value) => value !== undefined));
  const cpuMicros = of(({ cpuSeconds, count }) => cpuSeconds && (cpuSeconds * 1e6) / count);
  const loadCores = of(({ loadCpuSeconds, seconds }) => loadCpuSeconds && loadCpuSeconds / seconds);
  return {
    perSecond: rate,
    range: [Math.min(...rates), Math.max(...rates)],
    p50Ms: of((measurement) => measurement.p50Ms) ?? Number.NaN,
    p99Ms: of((measurement) => measurement.p99Ms) ?? Number.NaN,
    ...(cpuMicros !== undefined && { cpuMicros }),
    ...(loadCores !== undefined && { loadCores }),
  };
}

function perSecond({ count, seconds }: Measurement): number {
  return count / seconds;
}

/** Of an even number the mean of the middle two; undefined of none. */
function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
