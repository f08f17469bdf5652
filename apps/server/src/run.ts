import { runProgram } from "@event-ingestion/app-kit/program";
import { ListenError } from "@event-ingestion/server";
import { StoreError } from "@event-ingestion/store";
import { HandlersError } from "@event-ingestion/worker";
import { readConfig, usage } from "./config.ts";
import { type Service, startService } from "./service.ts";
import { setV8Flags } from "./v8-flags.ts";

/** Runs the service as a process of its own; resolves once it listens. */
export function run(env: NodeJS.ProcessEnv): Promise<Service> {
  setV8Flags();
  return runProgram({
    name: "event-server",
    usage,
    readConfig: (isTty) => readConfig(env, isTty),
    start: startService,
    extraDrainMs: ({ lameDuckMs }) => lameDuckMs,
    endedMessage: "stopping, nothing can be stored any more",
    mistakes: [HandlersError, ListenError, StoreError],
  });
}
