import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Answer, Question, Usage } from "./probe.ts";

/** A process that the benchmark started, of which it can ask things. */
export interface Child extends AsyncDisposable {
  stdout: Readable;
  /** Rejects, with what it wrote to stderr, when the process ends by itself. */
  ended: Promise<never>;
  /** What it has used so far, all its threads together. */
  usage: () => Promise<Usage>;
  /** What `answers(name, …)` in that process returns. */
  ask: <T>(name: string, body?: unknown) => Promise<T>;
}

/** A bundle gets one: a TypeScript file makes Node load its compiler, 60 MiB that a server in production does not hold. */
const probes = {
  ts: new URL("probe.ts", import.meta.url).href,
  js: new URL("../dist/probe.js", import.meta.url).href,
};

/** Runs a TypeScript file or a bundle in a process of its own, with `env` as its whole environment. */
export function startChild(file: URL, env: Record<string, string> = {}): Child {
  const path = fileURLToPath(file);
  const child = spawn(process.execPath, ["--import", path.endsWith(".js") ? probes.js : probes.ts, path], {
    env: { NODE_ENV: "production", ...env },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("the process has no pipes");
  let errors = "";
  stderr.setEncoding("utf8").on("data", (chunk: string) => (errors = (errors + chunk).slice(-4096)));
  const closed = once(child, "close");
  let disposed = false;
  const ended = closed.then(([code, signal]) => {
    if (disposed) return new Promise<never>(() => undefined);
    throw new Error(`the process ended with ${code ?? signal}: ${explain(errors)}`);
  });
  ended.catch(() => undefined);

  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let asked = 0;
  child.on("message", ({ id, body, error }: Answer) => {
    const question = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) question?.resolve(body);
    else question?.reject(new Error(error));
  });
  const ask = <T>(name: string, body?: unknown): Promise<T> => {
    const answer = Promise.withResolvers<unknown>();
    const question: Question = { id: ++asked, name, body };
    waiting.set(question.id, answer);
    child.send(question, (error) => error && answer.reject(error));
    return Promise.race([answer.promise as Promise<T>, ended]);
  };

  return {
    stdout,
    ended,
    usage: () => ask<Usage>("usage"),
    ask,
    async [Symbol.asyncDispose]() {
      disposed = true;
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** The line that names the error, of a stack trace or of a message. */
function explain(errors: string): string {
  const lines = errors.trim().split("\n");
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? "";
}
