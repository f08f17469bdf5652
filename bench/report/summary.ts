import type { Result } from "../rounds.ts";
import type { Measurement, Scenario } from "../scenario.ts";

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
  p50Ms?: number;
  p99Ms?: number;
  /** CPU time of what is measured for each of what is counted, in microseconds. */
  cpuMicros?: number;
  /** The part of one core that the load generator took. */
  loadCores?: number;
  /** What the scenario found beside, by name with unit. */
  also: Record<string, number>;
}

/** A row for every scenario, in their order. */
export function summarize(results: readonly Result[]): Summary[] {
  return results.map(({ scenario, measurements, failure }) => {
    const { name, title, kind, unit, durability } = scenario;
    const figures = figuresOf(measurements);
    const row = { name, title, kind, unit, durability };
    return { ...row, ...(failure !== undefined && { failure }), ...(figures && { figures }) };
  });
}

/** undefined if no round came to its end. */
function figuresOf(measurements: readonly Measurement[]): Figures | undefined {
  const rates = measurements.map(perSecond);
  const rate = median(rates);
  if (rate === undefined) return undefined;
  const of = (name: string, figure: (measurement: Measurement) => number | undefined) => {
    const value = median(measurements.map(figure));
    return value === undefined ? {} : { [name]: value };
  };
  const names = new Set(measurements.flatMap(({ also = {} }) => Object.keys(also)));
  return {
    perSecond: rate,
    range: [Math.min(...rates), Math.max(...rates)],
    ...of("p50Ms", ({ p50Ms }) => p50Ms),
    ...of("p99Ms", ({ p99Ms }) => p99Ms),
    ...of("cpuMicros", cpuMicros),
    ...of("loadCores", ({ loadCpuSeconds, seconds }) => loadCpuSeconds && loadCpuSeconds / seconds),
    also: Object.assign({}, ...[...names].map((name) => of(name, ({ also }) => also?.[name]))),
  };
}

export function perSecond({ count, seconds }: Measurement): number {
  return count / seconds;
}

export function cpuMicros({ cpuSeconds, count }: Measurement): number | undefined {
  return cpuSeconds && (cpuSeconds * 1e6) / count;
}

/** Of an even number the mean of the middle two; undefined of none. What was not measured (NaN) does not count. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  const measured = values.filter((value) => value !== undefined && !Number.isNaN(value)) as number[];
  const sorted = measured.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
