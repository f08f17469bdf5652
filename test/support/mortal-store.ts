// A handlers module whose handler kills the thread of the store. For that it has to be loaded there too, with --import.
import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { defineHandler } from "@event-ingestion/worker";

const orders = new BroadcastChannel("mortal-store");
orders.unref();
// In a thread this ends the thread only.
if (!isMainThread) orders.addEventListener("message", () => process.exit(3));

export default [
  defineHandler("*", async () => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    orders.postMessage("die");
  }),
];
