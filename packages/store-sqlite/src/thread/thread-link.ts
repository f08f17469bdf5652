import { Worker } from "node:worker_threads";
import { StoreError, unavailable } from "@event-ingestion/store";
import { fromFailure } from "../database/errors.ts";
import { keepLog } from "../database/place.ts";
import { type OperationName, type Operations, isWrite } from "../operations/operations.ts";
import { markOnExit } from "./exits.ts";
import type { Asked, FirstWords } from "./sqlite-thread.ts";
import type { Answer, ThreadOptions, Told } from "./thread-store.ts";

/** The caller's side of the thread: one message per call. It never blocks. */
export interface ThreadLink {
  call<Name extends OperationName>(
    name: Name,
    ...args: Parameters<Operations[Name]>
  ): Promise<ReturnType<Operations[Name]>>;
  /** Resolves with the reason when the thread has ended without being asked to. */
  readonly ended: Promise<StoreError>;
  /** Lets the thread finish what it was asked. */
  close(): Promise<void>;
}

/** What the thread says unasked. "ended": it takes no more calls, whether it was closed or died. */
export type Heard = Exclude<Told, { kind: "answers" }> | { kind: "ended"; reason: string };

interface Pending {
  name: OperationName;
  resolve: (value: unknown) => void;
  reject: (error: StoreError) => void;
}

// No tool that compiles or bundles rewrites the name of a file.
const threadUrl = new URL(
  `./sqlite-thread.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`,
  import.meta.url,
);

/** Resolves once the store is open. @throws StoreError if it could not be opened */
export async function startThread(
  options: ThreadOptions,
  heard: (message: Heard) => void,
): Promise<ThreadLink> {
  const execArgv = process.execArgv.filter(loadsCode);
  const worker = new Worker(threadUrl, { name: "sqlite-store", workerData: options, execArgv });
  // By place, and which of them are free. Not a Map: what has been in one is kept from quick garbage collections.
  const pending: (Pending | undefined)[] = [];
  const free: number[] = [];
  const opened = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<StoreError>();
  let refusal: StoreError | undefined;
  let isAskedToEnd = false;

  const ask = (message: Asked) => worker.postMessage(message);
  const refuseCalls = (reason: StoreError) => {
    if (refusal !== undefined) return;
    refusal = reason;
    heard({ kind: "ended", reason: reason.message });
  };
  const fail = (reason: StoreError) => {
    if (refusal === undefined) ended.resolve(reason);
    refuseCalls(reason);
  };
  const answer = (given: Answer) => {
    const call = pending[given.id];
    pending[given.id] = undefined;
    free.push(given.id);
    if ("failure" in given) call?.reject(fromFailure(given.failure));
    else call?.resolve(given.value);
  };

  worker.on("message", (message: Told | FirstWords) => {
    switch (message.kind) {
      case "opened":
        return opened.resolve();
      case "refused":
        return opened.reject(fromFailure(message.failure));
      case "answers":
        return message.answers.forEach(answer);
      default:
        return heard(message);
    }
  });
  worker.on("error", (cause) => fail(unavailable("the thread of the store failed", { cause })));
  worker.on("exit", () => {
    fail(unavailable("the thread of the store ended"));
    for (const call of pending.splice(0)) call?.reject(cutOff(call.name, refusal));
    if (refusal !== undefined) opened.reject(refusal);
    exited.resolve();
  });

  await opened.promise.catch(async (error: unknown) => {
    await exited.promise;
    throw error;
  });
  const { file } = options;
  if (file !== undefined) {
    const callOff = markOnExit(file);
    worker.once("exit", () => {
      callOff();
      // As the thread died, SQLite closed the file, and may have removed the log.
      if (!isAskedToEnd) keepLog(file);
    });
  }
  return {
    call: (name, ...args) => {
      if (refusal !== undefined) return Promise.reject(refusal);
      return new Promise((resolve, reject) => {
        const id = free.at(-1) ?? pending.length;
        ask({ id, name, args });
        free.pop();
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the thread runs the operation of that name
        pending[id] = { name, resolve: resolve as (value: unknown) => void, reject };
      });
    },
    ended: ended.promise,
    close() {
      if (refusal === undefined) ask("close");
      isAskedToEnd = true;
      refuseCalls(unavailable("the store is closed"));
      return exited.promise;
    },
  };
}

/** Flags that the thread needs, too. With other flags, such as --max-old-space-size or --input-type, it would not start. */
const loaders = new Set(["--import", "--require", "-r", "--conditions", "-C"]);

/** Such a flag, as "--import=x", or one of the two words of "--import x". */
function loadsCode(flag: string, at: number, flags: readonly string[]): boolean {
  return loaders.has(flag.split("=", 1)[0] ?? "") || loaders.has(flags[at - 1] ?? "");
}

/** Nobody knows how far a write had come. */
function cutOff(name: OperationName, cause: StoreError | undefined): StoreError {
  const message = "the thread of the store ended before it answered";
  return new StoreError(isWrite(name) ? "unknown" : "notApplied", "unavailable", message, { cause });
}
