import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { needs } from "@event-ingestion/needs";
import { expect, test } from "vitest";
import { callInLoop } from "../../bench/load/loop.ts";
import { sideBySide } from "../../bench/order.ts";
import { type Assessment, assess } from "../../bench/report/assess.ts";
import { type Figures, summarize } from "../../bench/report/summary.ts";
import { renderReport, type Report } from "../../bench/report/table.ts";
import { runRounds } from "../../bench/rounds.ts";
import { type Measurement, measureLoad, type Scenario } from "../../bench/scenario.ts";
import { targets } from "../../bench/targets.ts";
import { root } from "../support/server-process.ts";
import { tempDir } from "../support/temp-dir.ts";

function bench(...args: string[]) {
  return spawnSync(process.execPath, [`${root}bench/main.ts`, ...args], {
    encoding: "utf8",
    timeout: 230_000,
  });
}

/** Lines of tables, without headings and rules. */
function rows(markdown: string): string[] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (scenario|what|---) /.test(line));
}

/** One scenario of each kind. */
const someOf = `ingest-grpc-100 ingest-batch-1000 ingest-to-done get-status start-latency
  overload-calls backlog-drain raw-http2 service-noop grpc-js
  connect-grpc store-append-1000 postgres-batch-1000 graphile-worker-add`.split(/\s+/);

test(
  "a run of a scenario of each kind: plausible figures for each, and every target is judged",
  { timeout: 240_000 },
  () => {
    expect(judgedTargets(someOf)).toBeGreaterThan(4);
  },
);

const everything = { ...needs("LONG=1"), timeout: 240_000 };

test("a run of everything: plausible figures for each, and every target is judged", everything, () => {
  expect(judgedTargets([])).toBeGreaterThan(10);
});

/** Runs those scenarios, [] for all, and checks the report. How many targets it judged. */
function judgedTargets(only: readonly string[]): number {
  using dir = tempDir();
  const out = join(dir.path, "report.md");
  const tiny = ["--rounds", "1", "--seconds", "0.1", "--backlog", "2000"];
  const { status, stdout, stderr } = bench(
    ...tiny,
    ...only.flatMap((name) => ["--only", name]),
    "--out",
    out,
  );
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(readFileSync(out, "utf8")).toBe(stdout);
  expect(stdout).toContain(`Node ${process.versions.node}, SQLite ${process.versions.sqlite}`);
  expect(stdout).toContain("durability of the embedded store: fsync");
  for (const secret of [hostname(), homedir(), root]) expect(stdout).not.toContain(secret);

  const { summaries, assessments } = JSON.parse(readFileSync(out.replace(/md$/, "json"), "utf8")) as Report;
  expect(summaries.length).toBeGreaterThanOrEqual(only.length);
  const absent = summaries.filter(({ figures }) => figures === undefined);
  expect(absent.filter(({ failure = "" }) => !notInstalled.test(failure))).toEqual([]);
  expect(summaries.filter(({ figures }) => figures !== undefined && !plausible(figures))).toEqual([]);
  expect(rows(stdout)).toHaveLength(summaries.length + assessments.length);
  const present = new Set(summaries.filter(({ figures }) => figures !== undefined).map(({ name }) => name));
  const possible = targets.filter(({ of, over = of }) => present.has(of) && present.has(over));
  const judged = assessments.filter(isJudged);
  expect(judged).toHaveLength(possible.length);
  expect(present).not.toContain("finished-jobs");
  return judged.length;
}

/** The only reason for a peer to be left out that is not a fault of the benchmark. */
const notInstalled = /is not installed$/;

function plausible({
  perSecond,
  p50Ms = 1,
  p99Ms = p50Ms,
  cpuMicros,
  loadCores = 0,
  also,
}: Figures): boolean {
  const more = Object.values(also).every((value) => value >= 0);
  const latencies = p50Ms > 0 && p99Ms >= p50Ms;
  const cpu = cpuMicros === undefined || (cpuMicros > 1 && cpuMicros < 500_000);
  return perSecond > 1 && perSecond < 3_000_000 && latencies && cpu && more && loadCores < 4;
}

function isJudged({ measured = Number.NaN, verdict }: Assessment): boolean {
  return measured > 0 && verdict !== "not measured";
}

test("what takes long runs when it is asked for", () => {
  const { status, stdout } = bench("--only", "finished-jobs", "--rounds", "1", "--backlog", "1000");
  expect(status).toBe(0);
  expect(rows(stdout)).toEqual([
    expect.stringMatching(/^\| SQLite: claims after .* (met|missed) \|$/),
    expect.stringMatching(/^\| Postgres: .* (met|missed) \|$/),
    expect.stringMatching(/^\| \*\*finished-jobs\*\* .* \| [\d,.]+ jobs\/s \|/),
    expect.stringMatching(/^\| \*\*postgres-finished-jobs\*\* .* \| [\d,.]+ jobs\/s \|/),
  ]);
}, 240_000);

test("in a closed loop rate and latency belong together", async () => {
  const calls = { inFlight: 8, until: { seconds: 0.2 } };
  const { count, seconds, p50Ms, p99Ms, refused } = await callInLoop(
    calls,
    () => 5,
    async (ms) => {
      await sleep(ms);
      return 1;
    },
  );
  const meanMs = (calls.inFlight * seconds * 1000) / count;
  expect(refused).toBe(0);
  expect(p50Ms).toBeGreaterThanOrEqual(4);
  expect(p50Ms).toBeLessThanOrEqual(2 * meanMs);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
});

test("in an open loop slow calls do not lower the rate, and more than may be under way are left out", async () => {
  const slow = Promise.withResolvers<number>();
  const loop = callInLoop(
    { inFlight: 3, perSecond: 1000, until: { seconds: 0.1 } },
    () => undefined,
    () => slow.promise,
  );
  setTimeout(() => slow.resolve(1), 200);
  expect(await loop).toMatchObject({ count: 3 });

  let calls = 0;
  const refused = await callInLoop(
    { inFlight: 1000, perSecond: 200, until: { seconds: 0.5 } },
    () => undefined,
    () => (calls++ % 2 === 0 ? 1 : 0),
  );
  expect(calls).toBeGreaterThan(50);
  expect(calls).toBeLessThanOrEqual(101);
  expect(refused).toMatchObject({ count: Math.ceil(calls / 2), refused: Math.floor(calls / 2) });
});

test("a scenario that cannot run has a row that says why", async () => {
  const scenarios = [
    fake("peer", () => Promise.reject(new Error("the peer is not installed\nsee its README"))),
    fake("service", async ({ startService }) => {
      await startService({ PORT: "abc" });
      throw new Error("it started");
    }),
    fake("reference", async (given) => {
      const server = await given.startServer(diesOfConnections(given.dir));
      return measureLoad(given, server, { protocol: "grpc", calls: { rpc: "IngestEvent" }, inFlight: 1 });
    }),
  ];
  const results = await runRounds(scenarios, options, quiet);
  expect(rows(report({ summaries: summarize(results) }))).toEqual([
    expect.stringMatching(
      /^\| \*\*service\*\* .* \| not run: .*ended with 2: event-server: PORT must be .* got "abc" \|/,
    ),
    expect.stringMatching(
      /^\| \*\*reference\*\* .* \| not run: the process ended with 3: RangeError: too many/,
    ),
    expect.stringMatching(/^\| \*\*peer\*\* .* \| not run: the peer is not installed see its README \|/),
  ]);
});

function diesOfConnections(dir: string): URL {
  const program = `
    const server = require("node:net").createServer(() => {
      console.error("RangeError: too many");
      process.exit(3);
    });
    server.listen(0, "127.0.0.1", () => {
      const url = "http://127.0.0.1:" + server.address().port;
      console.log(JSON.stringify({ msg: "listening", url }));
    });`;
  const file = join(dir, "dies.cjs");
  writeFileSync(file, program);
  return pathToFileURL(file);
}

test("what is ready too late is ended, too", async () => {
  const over = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const late = fake("peer", async ({ own }) => {
    await over.promise;
    own({ [Symbol.asyncDispose]: async () => ended.resolve() });
    return counted(1);
  });
  const [result] = await runRounds([{ ...late, limitSeconds: 0.05 }], options, quiet);
  expect(result?.failure).toBe("took longer than 0.05 s");
  over.resolve();
  await ended.promise;
});

test("medians over the rounds; targets are judged by the median of the ratios of each round", async () => {
  const counts = [5, 900, 100];
  const referenceCounts = [1, 300, 50];
  const results = await runRounds(
    [
      fake("service", async () => counted(counts.shift() ?? 0)),
      fake("reference", async () => counted(referenceCounts.shift() ?? 0)),
    ],
    { ...options, rounds: 3 },
    quiet,
  );
  const [service] = summarize(results);
  expect(service?.figures).toMatchObject({ perSecond: 100, range: [5, 900], also: { "peak MiB": 100 } });

  const ratio = { of: "service", over: "reference", figure: "rate", bound: "at least" } as const;
  const assessments = assess(
    [
      { ...ratio, title: "reached", must: 2, aim: 3 },
      { ...ratio, title: "half way", must: 2.9, aim: 3.1 },
      { ...ratio, title: "too slow", must: 3.1 },
      { ...ratio, title: "cheap", figure: "cpu", bound: "at most", must: 0.4, aim: 0.3 },
      { title: "small", of: "service", figure: { also: "peak MiB" }, bound: "at most", must: 99 },
      { ...ratio, title: "unknown", figure: "p50Ms", over: "service", of: "reference", must: 1 },
      { ...ratio, title: "of something that was not run", over: "peer", must: 1 },
    ],
    results,
  );
  expect(rows(report({ assessments }))).toEqual([
    "| reached | ≥ 2 | ≥ 3 | 3 | aim met |",
    "| half way | ≥ 2.9 | ≥ 3.1 | 3 | met |",
    "| too slow | ≥ 3.1 |  | 3 | missed |",
    "| cheap | ≤ 0.4 | ≤ 0.3 | 0.333 | met |",
    "| small | ≤ 99 |  | 100 | missed |",
    "| unknown | ≥ 1 |  |  | not measured |",
  ]);
});

test("scenarios that are compared run side by side, each once, the others where they were", () => {
  const names = ["lookups", "alone", "single", "stock", "noop"];
  const sample = fake("service", async () => counted(1));
  const target = { title: "", figure: "rate", bound: "at least", must: 1 } as const;
  const ordered = sideBySide(
    names.map((name) => Object.assign({}, sample, { name })),
    [
      { ...target, of: "single", over: "noop" },
      { ...target, of: "single", over: "stock" },
      { ...target, of: "lookups", over: "noop" },
      { ...target, of: "lookups", over: "not chosen" },
      { ...target, of: "alone" },
    ],
  );
  expect(ordered.map(({ name }) => name)).toEqual(["lookups", "noop", "single", "stock", "alone"]);
});

test("a scenario of the first round is not repeated", async () => {
  const once = fake("service", async () => counted(1));
  const results = await runRounds([{ ...once, when: "first round" }], { ...options, rounds: 3 }, quiet);
  expect(results[0]?.measurements).toHaveLength(1);
});

test("the list names every scenario, also those that run only when asked for", () => {
  const { status, stdout } = bench("--list");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ingest-grpc-1: IngestEvent, gRPC, 1 in flight$/m);
  const names = new Set(stdout.split("\n").map((line) => line.split(":", 1)[0]));
  const missing = targets.flatMap(({ of, over = of }) => [of, over]).filter((name) => !names.has(name));
  expect(missing).toEqual([]);
});

test("a name that no scenario has is refused with the names there are", () => {
  const { status, stderr } = bench("--only", "nonsense");
  expect(status).toBe(2);
  expect(stderr).toMatch(/^bench: no scenario has "nonsense" in its name: .*ingest-grpc-1, /);
});

test("another checkout is measured in turns with this one, and the ratio is a target", () => {
  const args = ["--only", "ingest-http1", "--only", "grpc-js", "--rounds", "1", "--seconds", "0.1"];
  const { status, stdout } = bench(...args, "--against", root);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^\| ingest-http1-100: this build \/ the other \| ≥ 0.97 \| ≥ 1 \| [0-9.]+ \|/m);
  expect(stdout).toMatch(/^\| \*\*ingest-http1-100-before\*\* .* events\/s \|/m);
  expect(stdout).not.toContain("grpc-js-before");
});

test("a checkout that is not built is refused", () => {
  const { status, stderr } = bench("--only", "ingest-grpc-1", "--against", "nowhere");
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /^bench: .*nowhere\/apps\/server\/dist\/main\.js is missing: build that checkout first/,
  );
});

test.each([
  ["--rounds", "0"],
  ["--rounds", "1.5"],
  ["--seconds", "soon"],
  ["--backlog", "many"],
  ["--out", "report.txt"],
  ["--out", "nowhere/report.md"],
])("%s %s is refused", (option, value) => {
  const { status, stderr } = bench(option, value);
  expect(status).toBe(2);
  expect(stderr).toMatch(new RegExp(`^bench: ${option} must .*, got "?${value}`));
});

const options = {
  rounds: 1,
  seconds: 0.1,
  warmUpSeconds: 0.05,
  backlog: 1000,
  only: [],
  against: undefined,
  out: undefined,
  list: false,
  help: false,
};
const quiet = { progress: () => undefined, signal: new AbortController().signal };

function report(part: Partial<Report>): string {
  const machine = {
    cores: 2,
    loadAverage: 0,
    memoryGiB: 4,
    platform: "any",
    syncsPerSecond: 1,
    durability: "fsync",
  };
  return renderReport({ machine, options, versions: {}, assessments: [], summaries: [], ...part });
}

function fake(kind: Scenario["kind"], run: Scenario["run"]): Scenario {
  return { name: kind, title: kind, kind, unit: "events", durability: "none", run };
}

function counted(count: number): Measurement {
  return { count, seconds: 1, cpuSeconds: 1, also: { "peak MiB": 100 } };
}
