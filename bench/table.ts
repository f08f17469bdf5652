import type { Machine } from "./machine.ts";
import type { Options } from "./options.ts";
import type { Figures, Summary } from "./summary.ts";

/** The report in Markdown: what the figures depend on, then a table for each kind of scenario. */
export function renderReport(machine: Machine, options: Options, summaries: readonly Summary[]): string {
  const sections = kinds.flatMap(({ kind, heading }) => {
    const rows = summaries.filter((summary) => summary.kind === kind);
    return rows.length === 0 ? [] : [`### ${heading}\n\n${renderTable(rows)}`];
  });
  return `${[renderMachine(machine, options), ...sections].join("\n\n")}\n`;
}

const kinds = [
  { kind: "service", heading: "The service" },
  { kind: "reference", heading: "Reference points in the same run" },
  { kind: "peer", heading: "Peers" },
] as const;

function renderMachine(machine: Machine, { rounds, seconds }: Options): string {
  const { cores, loadAverage, memoryGiB, platform, node, sqlite, durability } = machine;
  return [
    `${cores} cores, ${memoryGiB} GiB, ${platform}; Node ${node}, SQLite ${sqlite};`,
    `durability of the service: ${durability}.`,
    `Load average before the run: ${loadAverage.toFixed(1)}.`,
    `Medians of ${rounds} alternated rounds of ${seconds} s; load generator and server share the cores.`,
  ].join(" ");
}

const columns = [
  "scenario",
  "rate",
  "slowest–fastest round",
  "p50 ms",
  "p99 ms",
  "CPU µs each",
  "load cores",
];

function renderTable(rows: readonly Summary[]): string {
  return [
    row([...columns, "durable", "compared with"]),
    row(["---", ...Array.from({ length: columns.length - 1 }, () => "---:"), "---", "---"]),
    ...rows.map(renderSummary),
  ].join("\n");
}

function renderSummary({ title, unit, durability, figures, failure }: Summary): string {
  const problem = failure?.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").slice(0, 300);
  if (figures === undefined)
    return row([title, `not run: ${problem}`, ...columns.slice(2).map(() => ""), "", ""]);
  const cells = renderFigures(figures, unit);
  const note = problem === undefined ? title : `${title} (a round failed: ${problem})`;
  return row([note, ...cells, durability, renderRatio(figures)]);
}

function renderFigures(figures: Figures, unit: string): string[] {
  const { perSecond, range, p50Ms, p99Ms, cpuMicros, loadCores } = figures;
  const rest = [p50Ms, p99Ms, cpuMicros, loadCores];
  return [
    `${significant(perSecond)} ${unit}/s`,
    range.map(significant).join("–"),
    ...rest.map((value) => (value === undefined ? "" : significant(value))),
  ];
}

function renderRatio({ ratio }: Figures): string {
  if (ratio === undefined) return "";
  const cpu = ratio.cpu === undefined ? "" : `, ${significant(ratio.cpu)} × CPU`;
  return `${ratio.against}: ${significant(ratio.rate)} × rate${cpu}`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Three digits are more than the figures are worth. */
function significant(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}
