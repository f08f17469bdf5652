import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";

/** What the command line asks for, checked and complete. */
export interface Options {
  rounds: number;
  seconds: number;
  warmUpSeconds: number;
  /** How many jobs make a long queue. */
  backlog: number;
  /** Parts of scenario names; empty: all scenarios. */
  only: string[];
  /** A checkout whose build is measured as well; undefined: none. */
  against: string | undefined;
  /** Where to write the report, which ends in .md; every measurement goes beside it as JSON. */
  out: string | undefined;
  /** Print the names of the scenarios instead of running them. */
  list: boolean;
  help: boolean;
}

export const usage = `pnpm bench [options]: measures the service beside its reference points and prints a table.

  --rounds N       rounds, of which the medians are shown, 1 to 100 (3)
  --seconds S      how long each scenario is measured in a round, 0.1 to 60 (2), after warming up
  --backlog N      jobs in a long queue, 1000 to 1000000 (1000000)
  --only TEXT      only scenarios with TEXT in their name; may be repeated
  --against DIR    also measures the service that is built in another checkout, each scenario in turns with it
  --out FILE.md    also writes the report to FILE.md, and the measurements of every round to FILE.json
  --list           prints the names of the scenarios
  --help           prints this text
`;

/** @throws Error in one line for an option that cannot be understood. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      backlog: { type: "string", default: "1000000" },
      only: { type: "string", multiple: true, default: [] },
      against: { type: "string" },
      out: { type: "string" },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const rounds = whole("--rounds", values.rounds, 1, 100);
  const backlog = whole("--backlog", values.backlog, 1000, 1_000_000);
  const seconds = between("--seconds", values.seconds, 0.1, 60);
  const { only, against, out, list, help } = values;
  if (out !== undefined && !out.endsWith(".md")) throw new Error(`--out must end in .md, got "${out}"`);
  if (out !== undefined && !existsSync(dirname(out)))
    throw new Error(`--out must be in a folder that exists, got "${out}"`);
  return { rounds, seconds, warmUpSeconds: seconds, backlog, only, against, out, list, help };
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = between(name, text, min, max);
  if (Number.isInteger(value)) return value;
  throw new Error(`${name} must be a whole number, got "${text}"`);
}

function between(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new Error(`${name} must be a number from ${min} to ${max}, got "${text}"`);
}
