import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Call } from "./engine.ts";
import { type Failure, toFailure, toStoreError } from "../database/errors.ts";
import { type ThreadOptions, type ThreadStore, type Told, openThreadStore } from "./thread-store.ts";

/** A message to the thread: a call to answer, or "close". */
export type Asked = Call | "close";

/** The thread's first words. */
export type FirstWords = { kind: "opened" } | { kind: "refused"; failure: Failure };

if (parentPort === null) throw new Error("sqlite-thread runs in a worker thread only");
const port = parentPort;
const tell = (message: Told | FirstWords) => port.postMessage(message);

const store = open();
if (store !== undefined) port.on("message", (first: Asked) => serve(store, first));

function open(): ThreadStore | undefined {
  const options: ThreadOptions = workerData;
  try {
    const opened = openThreadStore(options, tell);
    tell({ kind: "opened" });
    return opened;
  } catch (error) {
    tell({ kind: "refused", failure: toFailure(toStoreError(error, { file: options.file ?? ":memory:" })) });
    return undefined;
  }
}

/** Everything that came in while the last commit ran shares the next one. */
function serve(opened: ThreadStore, first: Asked): void {
  const asked = [first];
  for (let next = receive(); next !== undefined; next = receive()) asked.push(next);
  opened.handle(asked.filter((message) => message !== "close"));
  if (!asked.includes("close")) return;
  opened.close();
  port.close();
}

function receive(): Asked | undefined {
  return receiveMessageOnPort(port)?.message;
}
