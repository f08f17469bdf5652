import { parseArgs } from "node:util";

/** What the command line asks for, checked and complete. */
export interface Options {
  rounds: number;
  seconds: number;
  warmUpSeconds: number;
  /** Parts of scenario names; empty: all scenarios. */
  only: string[];
  /** Where to write every measurement as JSON. */
  json: string | undefined;
  help: boolean;
}

export const usage = `pnpm bench [options]: measures the service beside its reference points and prints a table.

  --rounds N       rounds, of which the medians are shown, 1 to 100 (3)
  --seconds S      how long each scenario is measured in a round, 0.1 to 60 (2); warming up takes half of it
  --only TEXT      only scenarios with TEXT in their name; may be repeated
  --json FILE      writes the measurements of every round to FILE
  --help           shows this text and the names of the scenarios
`;

/** @throws Error in one line for an option that cannot be understood. */
export function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "2" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const rounds = between("--rounds", values.rounds, 1, 100);
  if (!Number.isInteger(rounds)) throw new Error(`--rounds must be a whole number, got ${values.rounds}`);
  const seconds = between("--seconds", values.seconds, 0.1, 60);
  const { only, json, help } = values;
  return { rounds, seconds, warmUpSeconds: seconds / 2, only, json, help };
}

function between(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= min && value <= max) return value;
  throw new Error(`${name} must be a number from ${min} to ${max}, got "${text}"`);
}
