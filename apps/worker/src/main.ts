#!/usr/bin/env node
import { ConfigError } from "@event-ingestion/app-kit/environment";
import { runProgram } from "@event-ingestion/app-kit/program";
import { HandlersError } from "@event-ingestion/worker";
import { readConfig, usage } from "./config.ts";
import { startWorker } from "./start-worker.ts";

await runProgram({
  name: "event-worker",
  usage,
  maxArguments: 1,
  readConfig: (isTty) => readConfig(process.env, { args: process.argv.slice(2), isTty }),
  start: startWorker,
  endedMessage: "stopping, the worker has ended by itself",
  mistakes: [ConfigError, HandlersError],
});
