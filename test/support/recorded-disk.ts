// What a program did to its files, read from strace, and what a power cut could have left of it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** One thing that happened, in the order in which the kernel saw it. */
export type DiskEvent =
  | { kind: "write"; file: string; offset: number; bytes: Buffer }
  | { kind: "truncate"; file: string; size: number }
  | { kind: "unlink"; file: string }
  | { kind: "sync"; file: string }
  /** A line of the ledger: something was promised to somebody outside. */
  | { kind: "promise"; text: string };

/** What of `command` to record, and where. */
export interface RecordOptions {
  /** The folder of the files; it is recorded itself, for the names in it. */
  folder: string;
  files: readonly string[];
  /** Promises are what the program writes to this file. */
  ledger: string;
  /** Where strace writes. */
  output: string;
  /** strace's words for a fault, for example "fsync:signal=SIGKILL:when=20". */
  inject?: string;
  env?: Record<string, string>;
}

const calls = "openat,write,pwrite64,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat2";

/** Runs the command to its end and answers with what it did. */
export function record(command: readonly string[], options: RecordOptions): DiskEvent[] {
  const { folder, files, ledger, output, inject, env = {} } = options;
  const paths = [folder, ledger, ...files.map((file) => `${folder}/${file}`)];
  // Without --seccomp-bpf, under which strace delivers no signal at a system call.
  const flags = ["-f", "-y", "-xx", "-s", "70000", "-o", output, "-e", `trace=${calls}`];
  const only = [...paths.flatMap((path) => ["-P", path]), ...(inject ? ["-e", `inject=${inject}`] : [])];
  const { status, signal, stderr } = spawnSync("strace", [...flags, ...only, ...command], {
    env: { PATH: process.env.PATH, ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
  const killed = signal === "SIGKILL" && inject !== undefined;
  if (status !== 0 && !killed)
    throw new Error(`the recorded program ended with ${status ?? signal}:\n${stderr}`);
  return readRecording(readFileSync(output, "latin1"), ledger);
}

const complete = /^\d+ +(\w+)\((.*)\) += (-?\d+)/;
const started = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const resumed = /^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+)/;

function readRecording(recording: string, ledger: string): DiskEvent[] {
  const events: DiskEvent[] = [];
  const positions = new Map<string, number>();
  const unfinished = new Map<string, { call: string; args: string }>();
  const add = (call: string, args: string, result: number) => {
    if (result < 0) return;
    const event = readCall(call, args, { result, positions });
    if (event === undefined) return;
    if (event.file !== basename(ledger)) events.push(event);
    else if (event.kind === "write") events.push({ kind: "promise", text: event.bytes.toString() });
  };
  for (const line of recording.split("\n")) {
    const whole = complete.exec(line);
    const start = started.exec(line);
    const end = resumed.exec(line);
    if (start !== null) {
      unfinished.set(start[1] ?? "", { call: start[2] ?? "", args: start[3] ?? "" });
    } else if (end !== null) {
      // A call counts when it ends: a promise whose write overlaps a sync was made after the program saw that sync end.
      const begun = unfinished.get(end[1] ?? "");
      if (begun !== undefined) add(begun.call, begun.args + (end[2] ?? ""), Number(end[3]));
    } else if (whole !== null) add(whole[1] ?? "", whole[2] ?? "", Number(whole[3]));
  }
  return events;
}

/** `positions` knows where the next plain write to each file goes. */
function readCall(
  call: string,
  args: string,
  { result, positions }: { result: number; positions: Map<string, number> },
): Exclude<DiskEvent, { kind: "promise" }> | undefined {
  if (args.includes('"...')) throw new Error(`strace cut a ${call} short`);
  const file = basename(decode(/^\d+<([^>]*)>/.exec(args)?.[1]));
  const last = Number(/(\d+)$/.exec(args)?.[1]);
  const bytes = () => Buffer.from(decode(/"([^"]*)"/.exec(args)?.[1]), "latin1").subarray(0, result);
  switch (call) {
    case "pwrite64":
      return { kind: "write", file, offset: last, bytes: bytes() };
    case "write": {
      const offset = positions.get(file) ?? 0;
      positions.set(file, offset + result);
      return { kind: "write", file, offset, bytes: bytes() };
    }
    case "ftruncate":
      return { kind: "truncate", file, size: last };
    case "fsync":
    case "fdatasync":
      return { kind: "sync", file };
    case "unlink":
    case "unlinkat":
      return { kind: "unlink", file: basename(decode(/"([^"]*)"/.exec(args)?.[1])) };
    case "openat": {
      if (!args.includes("O_TRUNC")) return undefined;
      const opened = basename(decode(/"([^"]*)"/.exec(args)?.[1]));
      positions.set(opened, 0);
      return { kind: "truncate", file: opened, size: 0 };
    }
    default:
      throw new Error(`the model of the disk knows no ${call}`);
  }
}

/** What -xx made of a string. */
function decode(hex = ""): string {
  return Buffer.from(hex.replaceAll(String.raw`\x`, ""), "hex").toString("latin1");
}

/** What is found when the power comes back. */
export interface DiskImage {
  files: Map<string, Buffer>;
  /** What had been promised until then. */
  promises: string[];
}

type Change = Extract<DiskEvent, { kind: "write" | "truncate" }>;

/**
 * Cuts the power after `count` events. What was synced is there; of the rest each write is there or not, some torn
 * at the edge of a sector, as `random` wants it. A created name is there at once; a removed one may come back until
 * its folder is synced.
 */
export function powerCut(events: readonly DiskEvent[], count: number, random: () => number): DiskImage {
  const files = new Map<string, { changes: Change[]; synced: number; removed: boolean }>();
  const promises: string[] = [];
  for (const event of events.slice(0, count)) {
    const file = event.kind === "promise" ? undefined : files.get(event.file);
    switch (event.kind) {
      case "promise":
        promises.push(event.text);
        break;
      case "sync":
        if (file !== undefined) file.synced = file.changes.length;
        // Only the folder is synced under a name that was never written.
        else for (const [name, { removed }] of files) if (removed) files.delete(name);
        break;
      case "unlink":
        if (file !== undefined) file.removed = true;
        break;
      default:
        if (file === undefined || file.removed) {
          files.set(event.file, { changes: [event], synced: 0, removed: false });
        } else file.changes.push(event);
    }
  }
  const images = Array.from(files, ([name, { changes, synced, removed }]) => {
    if (removed && random() < 0.5) return [];
    const kept = changes.flatMap((change, index) => (index < synced ? [change] : survivor(change, random)));
    return [[name, content(kept)] as const];
  });
  return { files: new Map(images.flat()), promises };
}

const sector = 512;

function survivor(change: Change, random: () => number): Change[] {
  if (random() < 0.5) return [];
  if (change.kind === "truncate" || random() >= 0.3) return [change];
  const sectors =
    Math.ceil((change.offset + change.bytes.length) / sector) - Math.floor(change.offset / sector);
  const edge = (Math.floor(change.offset / sector) + Math.floor(random() * sectors)) * sector;
  const bytes = change.bytes.subarray(0, Math.max(0, edge - change.offset));
  return bytes.length === 0 ? [] : [{ ...change, bytes }];
}

function content(changes: readonly Change[]): Buffer {
  let size = 0;
  let bytes = Buffer.alloc(Math.max(0, ...changes.map(extent)));
  for (const change of changes) {
    if (change.kind === "truncate") bytes.fill(0, change.size);
    else change.bytes.copy(bytes, change.offset);
    size = change.kind === "truncate" ? change.size : Math.max(size, extent(change));
  }
  return bytes.subarray(0, size);
}

function extent(change: Change): number {
  return change.kind === "truncate" ? change.size : change.offset + change.bytes.length;
}
