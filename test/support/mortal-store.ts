// A handlers module whose handlers kill the thread of the store, or have it wait for ever. For that it has to be loaded in
// that thread, too, with --import.
import { openSync } from "node:fs";
import { BroadcastChannel, isMainThread } from "node:worker_threads";
import { defineHandler } from "@event-ingestion/worker";

const orders = new BroadcastChannel("mortal-store");
orders.unref();
if (!isMainThread) {
  orders.addEventListener("message", (event) => {
    const fifo: string = event instanceof MessageEvent ? event.data : "";
    // In a thread this ends the thread only.
    if (fifo === "") process.exit(3);
    // Nobody will ever write to it.
    openSync(fifo, "r");
  });
}

export default [
  defineHandler("die", async () => order("")),
  defineHandler("hang", async ({ payload }) => order(payload)),
];

function order(fifo: string): void {
  orders.postMessage(fifo);
}
