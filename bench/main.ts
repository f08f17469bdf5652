// `pnpm bench`: every scenario beside every other in one run. See README.md.
import { readdirSync, writeFileSync } from "node:fs";
import { compareWith } from "./against.ts";
import { type Options, readOptions, usage } from "./options.ts";
import { sideBySide } from "./order.ts";
import { tempDir } from "./process/temp-dir.ts";
import { assess } from "./report/assess.ts";
import { describeMachine, type Machine } from "./report/machine.ts";
import { summarize } from "./report/summary.ts";
import { renderReport, type Report } from "./report/table.ts";
import { type Result, runRounds } from "./rounds.ts";
import type { Scenario } from "./scenario.ts";
import { targets } from "./targets.ts";

const badUsage = 2;

async function main(options: Options): Promise<void> {
  const all = await loadScenarios();
  const names = all.map(({ name }) => name);
  if (options.help) return print(usage);
  if (options.list) return print(all.map(({ name, title }) => `${name}: ${title}\n`).join(""));
  const unknown = options.only.find((text) => !names.some((name) => name.includes(text)));
  if (unknown !== undefined) return refuse(`no scenario has "${unknown}" in its name: ${names.join(", ")}`);
  const chosen = all.filter(({ name, when }) =>
    options.only.length === 0 ? when !== "asked" : options.only.some((text) => name.includes(text)),
  );

  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const machine = await describe();
  const compared =
    options.against === undefined ? { scenarios: chosen, targets: [] } : compareWith(options.against, chosen);
  const allTargets = [...compared.targets, ...targets];
  const results = await runRounds(sideBySide(compared.scenarios, allTargets), options, {
    progress: (text) => process.stderr.write(`${text}\n`),
    signal: interrupted.signal,
  });
  process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  const measured: Report = {
    machine,
    options,
    versions: versionsOf(results),
    assessments: assess(allTargets, results),
    summaries: summarize(results),
  };
  const report = renderReport(measured);
  print(report);
  if (options.out !== undefined) {
    writeFileSync(options.out, report);
    writeFileSync(
      options.out.replace(/md$/, "json"),
      `${JSON.stringify({ ...measured, results }, null, 2)}\n`,
    );
  }
  if (results.some(isFailure)) process.exitCode = 1;
}

/** The service not working is one; a peer, or what is not installed here, is none. */
function isFailure({ scenario: { kind }, failure }: Result): boolean {
  return kind === "service" && failure !== undefined && !failure.endsWith("is not installed");
}

function versionsOf(results: readonly Result[]): Report["versions"] {
  const measurements = results.flatMap((result) => result.measurements);
  const own = { Node: process.versions.node, SQLite: process.versions.sqlite ?? "unknown" };
  return Object.assign(own, ...measurements.map(({ versions }) => versions));
}

/** Every file in scenarios/ exports a list of them; a name that two of them have is refused. */
async function loadScenarios(): Promise<Scenario[]> {
  const folder = new URL("scenarios/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts"));
  const modules = await Promise.all(
    files.toSorted().map((file) => import(new URL(file, folder).href) as Promise<{ default: Scenario[] }>),
  );
  const scenarios = modules.flatMap((module) => module.default);
  const twice = scenarios.find(
    ({ name }, index) => scenarios.findIndex((other) => other.name === name) < index,
  );
  if (twice !== undefined) throw new Error(`two scenarios have the name ${twice.name}`);
  return scenarios;
}

async function describe(): Promise<Machine> {
  using dir = tempDir();
  return await describeMachine(dir.path);
}

function print(text: string): void {
  process.stdout.write(text);
}

function refuse(problem: string): void {
  process.stderr.write(`bench: ${problem}\n`);
  process.exitCode = badUsage;
}

try {
  await main(readOptions(process.argv.slice(2)));
} catch (error) {
  refuse(error instanceof Error ? error.message : String(error));
}
