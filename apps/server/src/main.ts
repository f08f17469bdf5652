#!/usr/bin/env node
import { run } from "./run.ts";
import { setV8Flags } from "./v8-flags.ts";

setV8Flags();
await run(process.env);
