import type { Options } from "../options.ts";
import type { Assessment } from "./assess.ts";
import type { Machine } from "./machine.ts";
import type { Summary } from "./summary.ts";

/** What a run found. */
export interface Report {
  machine: Machine;
  options: Pick<Options, "rounds" | "seconds" | "backlog">;
  /** Names and versions of what took part. */
  versions: Record<string, string>;
  assessments: readonly Assessment[];
  summaries: readonly Summary[];
}

/** The report in Markdown: what the figures depend on, the targets, then a table for each kind of scenario. */
export function renderReport(report: Report): string {
  const sections = kinds.flatMap(({ kind, heading }) => {
    const rows = report.summaries.filter((summary) => summary.kind === kind);
    return rows.length === 0 ? [] : [`## ${heading}\n\n${renderScenarios(rows)}`];
  });
  const targets = report.assessments.length === 0 ? [] : [renderTargets(report.assessments)];
  return `${["# Benchmark", renderHead(report), ...targets, ...sections].join("\n\n")}\n`;
}

const kinds = [
  { kind: "service", heading: "The service" },
  { kind: "reference", heading: "Reference points" },
  { kind: "peer", heading: "Peers" },
] as const;

function renderHead({ machine, options, versions }: Report): string {
  const { cores, loadAverage, memoryGiB, platform, syncsPerSecond, durability } = machine;
  const { rounds, seconds, backlog } = options;
  const names = Object.entries(versions).map((pair) => pair.join(" "));
  return [
    `- Machine: ${cores} cores, ${memoryGiB} GiB, ${platform}; load average before the run ${loadAverage.toFixed(1)}`,
    `- Disk: ${significant(syncsPerSecond)} fdatasync/s; durability of the embedded store: ${durability}`,
    `- Versions: ${names.join(", ")}`,
    `- Medians of ${rounds} alternated rounds of ${seconds} s; a long queue is ${significant(backlog)} jobs; load generator and server share the cores`,
  ].join("\n");
}

function renderTargets(assessments: readonly Assessment[]): string {
  const rows = assessments.map(({ title, figure, over, bound, must, aim, measured, verdict }) => {
    const unit = over === undefined && typeof figure === "string" ? " ms" : "";
    const show = (value: number | undefined) => (value === undefined ? "" : `${significant(value)}${unit}`);
    const sign = bound === "at least" ? "≥" : "≤";
    return [
      title,
      `${sign} ${show(must)}`,
      aim === undefined ? "" : `${sign} ${show(aim)}`,
      show(measured),
      verdict,
    ];
  });
  return ["## Targets", caveat, renderTable(["what", ">must", ">aim", ">measured", "verdict"], rows)].join(
    "\n\n",
  );
}

const caveat =
  "Ratios are medians of the ratios of each round. An embedded store beside networked ones (Postgres, Redis) compares " +
  "different guarantees: it saves a network and a second process, and is lost with its disk.";

const columns = [
  "scenario",
  ">rate",
  ">slowest–fastest",
  ">p50 ms",
  ">p99 ms",
  ">CPU µs each",
  ">load cores",
];

function renderScenarios(rows: readonly Summary[]): string {
  return renderTable([...columns, "durable", "also"], rows.map(renderSummary));
}

function renderSummary({ name, title, unit, durability, figures, failure }: Summary): string[] {
  const problem = failure?.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").slice(0, 300);
  const what = `**${name}** ${title}`;
  if (figures === undefined) return [what, `not run: ${problem}`, ...columns.slice(2).map(() => ""), "", ""];
  const { perSecond, range, p50Ms, p99Ms, cpuMicros, loadCores, also } = figures;
  return [
    problem === undefined ? what : `${what} (a round failed: ${problem})`,
    `${significant(perSecond)} ${unit}/s`,
    range.map(significant).join("–"),
    ...[p50Ms, p99Ms, cpuMicros, loadCores].map((value) => (value === undefined ? "" : significant(value))),
    durability,
    Object.entries(also)
      .map(([figure, value]) => `${figure} ${significant(value)}`)
      .join(", "),
  ];
}

/** A heading that begins with ">" is one over numbers. */
function renderTable(headings: readonly string[], rows: readonly string[][]): string {
  const lines = [headings.map((heading) => heading.replace(">", "")), ...rows];
  const rule = headings.map((heading) => (heading.startsWith(">") ? "---:" : "---"));
  return lines
    .toSpliced(1, 0, rule)
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Three digits are more than the figures are worth. */
function significant(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}
