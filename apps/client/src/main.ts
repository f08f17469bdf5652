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

// Whoever reads our output may stop when they have seen enough, as `head` does.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const exitCode = await run(process.argv, stop.signal);
// Connections and a stdin that nobody closes would keep the process alive.
process.stdout.write("", () => process.exit(exitCode));
