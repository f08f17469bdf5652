// A handler that takes the process with it. Each of its runs leaves a line in the file that POISON_RUNS names.
import { appendFileSync } from "node:fs";
import { defineHandler } from "@event-ingestion/worker";

export default [
  defineHandler("poison", async () => {
    appendFileSync(process.env.POISON_RUNS ?? "", "run\n");
    process.exit(3);
  }),
  defineHandler("*", async () => undefined),
];
