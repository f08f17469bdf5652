#!/usr/bin/env node
import { exitCodes } from "./failure.ts";
import { run } from "./program.ts";

const stop = new AbortController();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // The second one does not wait for what the first one began to end.
    if (stop.signal.aborted) process.exit(exitCodes.interrupted);
    stop.abort(new Error(`interrupted by ${signal}`));
  });
}

let unwritten: Error | undefined;
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever reads our output may stop when they have seen enough, as `head` does.
    if (error.code !== "EPIPE") unwritten = error;
  });
}

const exitCode = await run(process.argv, stop.signal);
process.stdout.write("", () => {
  // The streams tell their errors after the callbacks.
  setImmediate(() => {
    if (unwritten !== undefined) process.stderr.write(`event: the output is lost: ${unwritten.message}\n`);
    // Connections and a stdin that nobody closes would keep the process alive.
    process.exit(unwritten === undefined ? exitCode : exitCode || exitCodes.unexpected);
  });
});
