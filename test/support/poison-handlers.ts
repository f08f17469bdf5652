// Handlers that take the process with them. Each of their runs leaves a line in the file that POISON_RUNS names.
import { appendFileSync } from "node:fs";
import { defineHandler } from "@event-ingestion/worker";

const leaveTrace = () => appendFileSync(process.env.POISON_RUNS ?? "", "run\n");

export default [
  defineHandler("exits", async () => {
    leaveTrace();
    process.exit(3);
  }),
  defineHandler("throws later", async () => {
    leaveTrace();
    setImmediate(() => {
      throw new Error("nobody catches this");
    });
    await new Promise(() => undefined);
  }),
  defineHandler("rejects unseen", async () => {
    leaveTrace();
    void Promise.reject(new Error("nobody catches this"));
    await new Promise(() => undefined);
  }),
  defineHandler("*", async () => undefined),
];
