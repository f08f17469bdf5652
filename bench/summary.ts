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
  /** Rate and CPU over those of the scenario `against` in the same round. */
  ratio?: { against: string; rate: number; cpu?: number };
}

/** A row for every scenario, in their order. */
export function summarize(results: readonly Result[]): Summary[] {
  return results.map(({ scenario, measurements, failure }) => {
    const { name, title, kind, unit, durability, against } = scenario;
    const summary: Summary = { name, title, kind, unit, durability };
    if (failure !== undefined) summary.failure = failure;
    const figures = figuresOf(measurements);
    if (figures === undefined) return summary;
    const base = results.find((result) => result.scenario.name === against);
    const ratio = base && ratioOf(measurements, base);
    return { ...summary, figures: { ...figures, ...(ratio && { ratio }) } };
  });
}

/** undefined if no round came to its end. */
function figuresOf(measurements: readonly Measurement[]): Figures | undefined {
  const rates = measurements.map(perSecond);
  const rate = median(rates);
  if (rate === undefined) return undefined;
  const of = (figure: (measurement: Measurement) => number | undefined) => median(measurements.map(figure));
  const cpuMicros = of(cpuEach);
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

/** Round by round: what else the machine does changes less within a round than over all of them. */
function ratioOf(measurements: readonly Measurement[], base: Result): Figures["ratio"] {
  const over = (figure: (measurement: Measurement) => number | undefined) =>
    median(
      measurements.map((measurement, round) => {
        const other = base.measurements[round];
        const [upper, lower] = [figure(measurement), other && figure(other)];
        return upper !== undefined && lower !== undefined ? upper / lower : undefined;
      }),
    );
  const [rate, cpu] = [over(perSecond), over(cpuEach)];
  if (rate === undefined) return undefined;
  return { against: base.scenario.name, rate, ...(cpu !== undefined && { cpu }) };
}

function perSecond({ count, seconds }: Measurement): number {
  return count / seconds;
}

/** In microseconds. */
function cpuEach({ cpuSeconds, count }: Measurement): number | undefined {
  return cpuSeconds && (cpuSeconds * 1e6) / count;
}

/** Of an even number the mean of the middle two; undefined of none. */
function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
