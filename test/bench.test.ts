import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Result, runRounds } from "../bench/rounds.ts";
import type { Measurement, Scenario } from "../bench/scenario.ts";
import { type Figures, type Summary, summarize } from "../bench/summary.ts";
import { renderReport } from "../bench/table.ts";
import { root } from "./support/server-process.ts";
import { tempDir } from "./support/temp-dir.ts";

const quick = ["--rounds", "1", "--seconds", "0.2"];

function bench(...args: string[]) {
  return spawnSync(process.execPath, [`${root}bench/main.ts`, ...args], {
    encoding: "utf8",
    timeout: 50_000,
  });
}

/** Lines of the table, without headings and rules. */
function rows(report: string): string[] {
  return report.split("\n").filter((line) => line.startsWith("| ") && !/^\| (scenario|---) /.test(line));
}

test("the service is measured beside a reference: a row each, with plausible figures", () => {
  using dir = tempDir();
  const report = join(dir.path, "report.md");
  const chosen = ["--only", "ingest-grpc-64", "--only", "ingest-to-done", "--only", "stock-connect-grpc"];
  const { status, stdout, stderr } = bench(...quick, "--out", report, ...chosen);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(rows(stdout)).toEqual([
    expect.stringMatching(
      /^\| IngestEvent, gRPC, 64 in flight \| [\d,.]+ events\/s \| .* \| stock-connect-grpc: [\d.]+ × rate, [\d.]+ × CPU \|$/,
    ),
    expect.stringMatching(/^\| IngestBatch of 1000 until all jobs are done, .* \| [\d,.]+ jobs\/s \|/),
    expect.stringMatching(/^\| stock connect-node, no-op unary, gRPC, .* \| [\d,.]+ events\/s \|/),
  ]);
  expect(stdout).toContain(`Node ${process.versions.node}, SQLite ${process.versions.sqlite}`);
  expect(stdout).toContain("durability of the service: fsync");
  expect(readFileSync(report, "utf8")).toBe(stdout);

  const { summaries, results } = JSON.parse(readFileSync(join(dir.path, "report.json"), "utf8")) as {
    summaries: Summary[];
    results: Result[];
  };
  expect(summaries).toHaveLength(3);
  expect(summaries.filter(({ figures }) => !plausible(figures))).toEqual([]);
  const closedLoops = results.filter(({ scenario: { name } }) => name.includes("grpc"));
  expect(closedLoops).toHaveLength(2);
  expect(closedLoops.flatMap(({ measurements }) => measurements).filter((one) => !consistent(one))).toEqual(
    [],
  );
});

function plausible(figures: Figures | undefined): boolean {
  if (figures === undefined) return false;
  const { perSecond, p50Ms, p99Ms, cpuMicros = 0, loadCores = 0 } = figures;
  const rates = perSecond > 20 && perSecond < 1_000_000 && loadCores > 0 && loadCores < 8;
  return rates && p50Ms > 0 && p99Ms >= p50Ms && cpuMicros > 1 && cpuMicros < 100_000;
}

/** In a closed loop rate and latency belong together: on average 64 calls share the time of a round. */
function consistent({ count, seconds, p50Ms, p99Ms }: Measurement): boolean {
  const meanMs = (64 * seconds * 1000) / count;
  return p50Ms <= 2 * meanMs && meanMs <= 3 * p99Ms;
}

test("a scenario that cannot run has a row that says why", async () => {
  const scenarios = [
    fake("peer", () => Promise.reject(new Error("the peer is not installed\nsee its README"))),
    fake("service", async ({ startService }) => {
      await startService({ PORT: "abc" });
      throw new Error("it started");
    }),
  ];
  const results = await runRounds(scenarios, options, quiet);
  const report = renderReport(machine, options, summarize(results));
  expect(rows(report)).toEqual([
    expect.stringMatching(
      /^\| service \| not run: .*ended with 2: event-server: PORT must be .* got "abc" \|/,
    ),
    expect.stringContaining("| peer | not run: the peer is not installed see its README |"),
  ]);
});

test("medians over the rounds, and of each round the ratio to what a scenario is compared with", async () => {
  const counts = [5, 900, 100];
  const referenceCounts = [1, 300, 50];
  const results = await runRounds(
    [
      { ...fake("service", async () => measured(counts.shift() ?? 0)), against: "reference" },
      fake("reference", async () => measured(referenceCounts.shift() ?? 0)),
    ],
    { ...options, rounds: 3 },
    quiet,
  );
  const [service] = summarize(results);
  expect(service?.figures).toMatchObject({
    perSecond: 100,
    range: [5, 900],
    ratio: { against: "reference", rate: 3, cpu: expect.closeTo(1 / 3) },
  });
});

test("a name that no scenario has is refused with the names there are", () => {
  const { status, stderr } = bench(...quick, "--only", "nonsense");
  expect(status).toBe(2);
  expect(stderr).toMatch(/^bench: no scenario has "nonsense" in its name: .*ingest-grpc-1, /);
});

test.each([
  ["--rounds", "0"],
  ["--rounds", "1.5"],
  ["--seconds", "soon"],
  ["--out", "report.txt"],
])("%s %s is refused", (option, value) => {
  const { status, stderr } = bench(option, value);
  expect(status).toBe(2);
  expect(stderr).toMatch(new RegExp(`^bench: ${option} must .*, got "?${value}`));
});

const options = {
  rounds: 1,
  seconds: 0.1,
  warmUpSeconds: 0.05,
  only: [],
  out: undefined,
  list: false,
  help: false,
};
const quiet = { progress: () => undefined, signal: AbortSignal.timeout(50_000) };
const machine = {
  cores: 2,
  loadAverage: 0,
  memoryGiB: 4,
  platform: "any",
  node: "0",
  sqlite: "0",
  durability: "fsync",
};

function fake(kind: Scenario["kind"], run: Scenario["run"]): Scenario {
  return { name: kind, title: kind, kind, unit: "events", durability: "none", run };
}

function measured(count: number): Measurement {
  return { count, seconds: 1, p50Ms: 1, p99Ms: 2, cpuSeconds: 1 };
}
