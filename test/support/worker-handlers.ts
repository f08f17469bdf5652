// The handlers of the tests with workers in processes of their own.
import { existsSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defineHandler } from "@event-ingestion/worker";

export default [
  /** Ends when the file exists whose path is the payload; another one beside it says that it runs. */
  defineHandler("until-file", async ({ payload }) => {
    writeFileSync(`${payload}-running`, "");
    while (!existsSync(payload)) await sleep(20);
    return `by ${process.env.WORKER}`;
  }),
  /** Never ends; the file whose path is the payload says that it runs. */
  defineHandler("never", ({ payload }) => {
    writeFileSync(payload, "");
    return new Promise(() => {});
  }),
  defineHandler("*", async ({ payload }) => payload),
];
