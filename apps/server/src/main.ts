#!/usr/bin/env node
import { migrateCommand } from "./migrate-command.ts";
import { run } from "./run.ts";

const [command, ...args] = process.argv.slice(2);
if (command === "migrate") process.exitCode = await migrateCommand(args, process.env);
else await run(process.env);
