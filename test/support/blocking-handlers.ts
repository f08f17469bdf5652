// Handlers that never end in a server that was started with BLOCK=1: whoever holds a job there holds it until it dies.
import { defineHandler } from "@event-ingestion/worker";

export default [
  defineHandler("*", async (_event, { attempt }) => {
    if (process.env.BLOCK === "1") await new Promise(() => undefined);
    return `attempt ${attempt}`;
  }),
];
