import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { type Ended, setup } from "../testing/event-command.ts";

const text = ["ingest", "--output", "text", "--file"];
const numbered = (count: number) =>
  Array.from({ length: count }, (_, n) => `{"type":"t","payload":{"n":${n}}}\n`).join("");

/** What a file of rejected records holds. */
function entries(path: string): { line: number }[] {
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** The summary as JSON. */
function summary({ stdout }: Ended): Summary {
  return JSON.parse(stdout);
}

interface Summary {
  name: string;
  accepted: number;
  line: number;
  seconds: number;
}

/** Waits until the state of an import that goes on says how far it is. */
const savedLine = (path: string) =>
  vi.waitFor(
    () => {
      const state: { place: number } = JSON.parse(readFileSync(path, "utf8"));
      expect(state.place).toBeGreaterThan(0);
      return state.place;
    },
    { timeout: 15_000, interval: 20 },
  );

describe("event ingest --file", () => {
  test("sends every line; what is wrong is kept with its reason, and the rest goes on", async () => {
    const { event, store, folder } = await setup();
    const long = `{"payload":"${"x".repeat(1024 * 1024 + 1)}"}`;
    writeFileSync(
      join(folder, "orders.ndjson"),
      `{"id":1}\nnot json\n\n${long}\n{"payload":"p","event_id":"e"}\n`,
    );
    const ended = await event([...text, "orders.ndjson"]);
    expect(ended.code).toBe(2);
    expect(ended.stdout).toMatch(
      /^4 sent · 2 accepted · 2 rejected → orders\.ndjson\.rejected\.ndjson · \S+ m?s · p50 \S+ m?s p99 \S+ m?s\n$/,
    );
    expect(entries(join(folder, "orders.ndjson.rejected.ndjson"))).toEqual([
      { line: 2, reason: expect.stringMatching(/^not JSON: /), raw: "not json" },
      { line: 4, reason: "payload must be at most 1048576 bytes, got 1048577", raw: long },
    ]);
    expect((await store.counts()).byState.QUEUED).toBe(2);
    expect(await store.find("", ["e"])).toEqual([expect.any(String)]);
  });

  test("is the same again when it is done again", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(1500));
    const first = await event(["ingest", "--file", "a.ndjson"]);
    expect(first).toMatchObject({ code: 0, stderr: "" });
    expect(summary(first)).toMatchObject({
      sent: 1500,
      accepted: 1500,
      duplicates: 0,
      rejected: 0,
      line: 1500,
    });
    const again = await event([...text, "a.ndjson", "--batch", "100", "--concurrency", "2"]);
    expect(again.stdout).toMatch(/^1,500 sent · 1,500 accepted \(1,500 duplicates\) · 0 rejected · /);
    expect((await store.counts()).byState.QUEUED).toBe(1500);
    expect(existsSync(join(folder, "a.ndjson.rejected.ndjson"))).toBe(false);
  });

  test("reads CSV, and the fields that are named", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "orders.csv"), 'id,kind,note\n1,order,"two\nlines"\n2,,x\n3\n');
    const args = ["--type-field", "kind", "--id-field", "id", "--payload-field", "note"];
    const ended = await event(["ingest", "--file", "orders.csv", ...args]);
    expect(ended.code).toBe(2);
    expect(summary(ended)).toMatchObject({ sent: 3, accepted: 2, rejected: 1, line: 5 });
    const [first] = await store.find("", ["1"]);
    const job = await store.getDetail(first ?? "");
    expect(job).toMatchObject({ type: "order" });
    expect(Buffer.from(job?.payload ?? []).toString()).toBe("two\nlines");
  });

  test("reads stdin", async () => {
    const { event, folder } = await setup();
    const ended = await event(["ingest", "--file", "-"], '{"id":1}\n{"id"\n');
    expect(ended.code).toBe(2);
    expect(summary(ended)).toMatchObject({ sent: 2, accepted: 1, rejected_file: "stdin.rejected.ndjson" });
    expect(entries(join(folder, "stdin.rejected.ndjson"))).toMatchObject([{ line: 2 }]);
  });

  test("sends nothing of a file that it would misread, and keeps what was rejected before", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "orders.csv"), "id;kind;amount\n1;order;10\n");
    const before = '{"line":2,"reason":"r","raw":"x"}\n';
    writeFileSync(join(folder, "orders.csv.rejected.ndjson"), before);
    const misread = await event(["ingest", "--file", "orders.csv", "--resume", "state.json"]);
    expect(misread).toEqual({
      code: 4,
      stdout: "",
      stderr: `event: line 1 has 0 times "," and 2 times ";": which one divides the fields?
  say so with --delimiter ";" or --delimiter ","
`,
    });
    expect(existsSync(join(folder, "state.json"))).toBe(false);
    expect(readFileSync(join(folder, "orders.csv.rejected.ndjson"), "utf8")).toBe(before);
    const args = ["ingest", "--file", "orders.csv", "--delimiter", ";"];
    const misspelt = await event([...args, "--type-field", "knid"]);
    expect(misspelt).toMatchObject({ code: 4, stdout: "" });
    expect(misspelt.stderr).toContain(`event: no record has the field "knid" of --type-field
event: the fields of the first record are "id", "kind", "amount"\n`);
    expect((await store.counts()).byState.QUEUED).toBe(0);
    expect(await event([...args, "--type-field", "kind", "--id-field", "id"])).toMatchObject({ code: 0 });
    const [jobId] = await store.find("", ["1"]);
    expect(await store.getDetail(jobId ?? "")).toMatchObject({ type: "order" });
  });

  test("takes a JSON array apart, and goes on in it", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "a.json"), '[{"n":1},{"n":1},\n{n:3},\n{"n":1}]');
    const args = ["ingest", "--file", "a.json", "--resume", "state.json"];
    expect((await event(args)).stderr).toContain("line 1 begins a JSON array");
    const ended = await event([...args, "--array"]);
    expect(ended.code).toBe(2);
    expect(summary(ended)).toMatchObject({ sent: 4, accepted: 3, duplicates: 0, element: 4 });
    expect(entries(join(folder, "a.json.rejected.ndjson"))).toMatchObject([{ element: 3, raw: "{n:3}" }]);
    writeFileSync(join(folder, "a.json"), '[{"n":1},{"n":1},\n{n:3},\n{"n":1},{"n":1}]');
    const more = await event([...args, "--array"]);
    expect(more.stderr).toBe("going on after element 4 of a.json\n");
    expect(summary(more)).toMatchObject({ sent: 5, accepted: 4, duplicates: 0, rejected: 1, element: 5 });
    expect((await store.counts()).byState.QUEUED).toBe(4);
  });

  test("what comes through stdin is new each time, unless it has a name", async () => {
    const { event, store } = await setup();
    const through = (input: string, ...args: string[]) =>
      event(["ingest", "--output", "json", "--file", ...args], input);
    const one = summary(await through('{"a":1}\n', "-"));
    const two = summary(await through('{"a":1}\n', "-"));
    expect([one, two]).toMatchObject([
      { name: expect.stringMatching(/^stdin-[0-9a-f]{12}$/), accepted: 1, duplicates: 0 },
      { name: expect.stringMatching(/^stdin-[0-9a-f]{12}$/), accepted: 1, duplicates: 0 },
    ]);
    const again = await through('{"a":1}\n', "-", "--name", one.name);
    expect(summary(again)).toMatchObject({ name: one.name, accepted: 1, duplicates: 1 });
    const named = () => through('{"a":1}\n', "-", "--name", "monday");
    expect(summary(await named())).toMatchObject({ duplicates: 0 });
    expect(summary(await named())).toMatchObject({ duplicates: 1 });
    expect((await store.counts()).byState.QUEUED).toBe(3);
  });

  test("a run without a name that stops says how to repeat it", async () => {
    const { begin, event, store } = await setup();
    const { child, ended } = begin("ingest", "--file", "-", "--batch", "1", "--format", "ndjson");
    child.stdin?.write('{"n":1}\n{"n":2}\n');
    await expect.poll(async () => (await store.counts()).byState.QUEUED, { timeout: 15_000 }).toBe(2);
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    const [, name = ""] =
      / with --name (\S+) begins anew, and what was sent is not stored twice\n$/.exec(stderr) ?? [];
    const again = await event(["ingest", "--file", "-", "--name", name], '{"n":1}\n{"n":2}\n{"n":3}\n');
    expect(summary(again)).toMatchObject({ accepted: 3, duplicates: 2 });
  });

  test("stdin goes on where it was with its state, whatever it was called", async () => {
    const { event, store } = await setup();
    const args = ["ingest", "--file", "-", "--resume", "state.json"];
    const first = summary(await event(args, '{"n":1}\n{"n":1}\n'));
    const second = summary(await event(args, '{"n":1}\n{"n":1}\n{"n":1}\n'));
    expect(second).toMatchObject({ name: first.name, accepted: 3, duplicates: 0, line: 3 });
    expect((await store.counts()).byState.QUEUED).toBe(3);
  });

  test("keeps what is rejected where it is told, and finds out before it sends that it cannot", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), '{"n":1}\nbroken\n');
    // A folder in the place of the file: root may write where permissions forbid it.
    mkdirSync(join(folder, "a.ndjson.rejected.ndjson"));
    const refused = await event(["ingest", "--file", "a.ndjson"]);
    expect(refused).toEqual({
      code: 4,
      stdout: "",
      stderr: `event: rejected records cannot be written to a.ndjson.rejected.ndjson (EISDIR)
  name another file for them with --rejects
`,
    });
    expect((await store.counts()).byState.QUEUED).toBe(0);
    const kept = await event(["ingest", "--file", "a.ndjson", "--rejects", "kept.ndjson"]);
    expect(summary(kept)).toMatchObject({ accepted: 1, rejected: 1, rejected_file: "kept.ndjson" });
    expect(entries(join(folder, "kept.ndjson"))).toMatchObject([{ line: 2 }]);
  });

  test("a pipe has no name, and its rejects are in the current folder", async () => {
    const { begin, folder } = await setup();
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const { ended } = begin("ingest", "--file", pipe);
    await writeFile(pipe, '{"n":1}\nbroken\n');
    expect(summary(await ended)).toMatchObject({
      name: expect.stringMatching(/^stdin-/),
      accepted: 1,
      rejected_file: "stdin.rejected.ndjson",
    });
  });

  test("keeps to its rate", async () => {
    const { event, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(31));
    const { seconds } = summary(await event(["ingest", "--file", "a.ndjson", "--rate", "30/s"]));
    expect(seconds).toBeGreaterThan(0.8);
  });

  test("does not wait long for a server that never was there", async () => {
    const { event, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(1));
    const ended = await event(["ingest", "--file", "a.ndjson", "--server", "localhost:1"]);
    expect(ended).toMatchObject({ code: 5, stdout: "" });
    expect(ended.stderr).toContain("nothing listens on localhost:1\n");
  });
});

describe("event ingest --resume", () => {
  test("goes on after kill -9 without a lost or doubled line", async () => {
    const { begin, event, store, folder } = await setup();
    const lines = Array.from({ length: 6000 }, (_, n) => (n % 100 === 0 ? `broken ${n}` : `{"n":${n}}`));
    writeFileSync(join(folder, "a.ndjson"), lines.join("\n"));
    const args = ["ingest", "--file", "a.ndjson", "--resume", "state.json", "--batch", "50"];
    const killed = begin(...args, "--rate", "1000/s");
    const line = await savedLine(join(folder, "state.json"));
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(line).toBeLessThan(6000);

    const ended = await event(args);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^going on after line [\d,]+ of a\.ndjson\n/);
    expect(summary(ended)).toMatchObject({ sent: 6000, accepted: 5940, rejected: 60, line: 6000 });
    expect((await store.counts()).byState.QUEUED).toBe(5940);
    const rejected = entries(join(folder, "a.ndjson.rejected.ndjson"));
    expect(rejected.map((entry) => entry.line)).toEqual(Array.from({ length: 60 }, (_, n) => n * 100 + 1));
  });

  test("ends with what it has when it is interrupted, and goes on from there", async () => {
    const { begin, event, store, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(3000));
    const args = ["ingest", "--file", "a.ndjson", "--resume", "state.json", "--batch", "20"];
    const interrupted = begin(...args, "--rate", "500/s");
    await savedLine(join(folder, "state.json"));
    interrupted.child.kill("SIGINT");
    const ended = await interrupted.ended;
    expect(ended.code).toBe(130);
    const { accepted, line } = summary(ended);
    expect(accepted).toBe(line);
    expect(await savedLine(join(folder, "state.json"))).toBe(line);
    expect(ended.stderr).toMatch(/stopped after line [\d,]+; the same command goes on from there\n$/);

    const finished = await event(args);
    expect(finished.code).toBe(0);
    expect(summary(finished)).toMatchObject({ sent: 3000, accepted: 3000, line: 3000 });
    expect((await store.counts()).byState.QUEUED).toBe(3000);
  });

  test("sends only what a finished import did not have", async () => {
    const { event, store, folder } = await setup();
    const args = ["ingest", "--file", "a.ndjson", "--resume", "state.json"];
    writeFileSync(join(folder, "a.ndjson"), numbered(3));
    await event(args);
    writeFileSync(join(folder, "a.ndjson"), numbered(5));
    const ended = await event(args);
    expect(ended.code).toBe(0);
    expect(summary(ended)).toMatchObject({ sent: 5, accepted: 5, duplicates: 0 });
    expect((await store.counts()).byState.QUEUED).toBe(5);
  });

  test.each([
    [
      "changed",
      '{"other":1}\n{"n":2}\n',
      "a.ndjson has changed: line 2 is not what it was when the import stopped",
    ],
    ["shorter", '{"n":1}\n', "a.ndjson has changed: line 2 is not what it was when the import stopped"],
  ])("refuses a file that is %s", async (_name, content, message) => {
    const { event, folder } = await setup();
    const args = ["ingest", "--file", "a.ndjson", "--resume", "state.json"];
    writeFileSync(join(folder, "a.ndjson"), '{"n":1}\n{"n":1}\n');
    expect((await event(args)).code).toBe(0);
    writeFileSync(join(folder, "a.ndjson"), content);
    const ended = await event(args);
    expect(ended.code).toBe(4);
    expect(ended.stderr).toContain(`event: ${message}\n`);
  });

  test("sends nothing if it cannot keep its state", async () => {
    const { event, store, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(1));
    const ended = await event(["ingest", "--file", "a.ndjson", "--resume", "none/state.json"]);
    expect(ended).toMatchObject({ code: 4, stdout: "" });
    expect(ended.stderr).toContain("ENOENT");
    expect((await store.counts()).byState.QUEUED).toBe(0);
  });

  test("refuses the state of another file, and what is none", async () => {
    const { event, folder } = await setup();
    writeFileSync(join(folder, "a.ndjson"), numbered(1));
    writeFileSync(join(folder, "b.ndjson"), numbered(1));
    await event(["ingest", "--file", "a.ndjson", "--resume", "state.json"]);
    const other = await event(["ingest", "--file", "b.ndjson", "--resume", "state.json"]);
    expect(other).toMatchObject({ code: 4, stdout: "" });
    expect(other.stderr).toContain("state.json belongs to the import of a.ndjson, not of b.ndjson");
    const none = await event(["ingest", "--file", "b.ndjson", "--resume", "a.ndjson"]);
    expect(none.stderr).toContain("a.ndjson is not the state of an import");
  });
});
