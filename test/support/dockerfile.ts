import { readFileSync } from "node:fs";
import { root } from "./server-process.ts";

/** One stage of the Dockerfile. */
export interface Stage {
  base: string;
  instructions: Instruction[];
}

/** An instruction without its flags; those that only say how, as cache mounts do, are left out. */
export interface Instruction {
  keyword: string;
  /** Of --from and the like. */
  flags: Record<string, string>;
  text: string;
}

/** The stages of the repository's Dockerfile, by name; the last one, which has none, is "". */
export function readDockerfile(): Record<string, Stage> {
  const text = readFileSync(`${root}Dockerfile`, "utf8")
    .replaceAll(/^#.*\n/gm, "")
    .replaceAll("\\\n", " ");
  const stages: Record<string, Stage> = {};
  let current: Stage | undefined;
  for (const line of text.split("\n").filter((each) => each.trim() !== "")) {
    const [, keyword = "", rest = ""] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (keyword === "FROM") {
      const [base = "", , name = ""] = rest.split(/\s+/);
      current = stages[name] = { base, instructions: [] };
    } else current?.instructions.push(parse(keyword, rest));
  }
  return stages;
}

function parse(keyword: string, rest: string): Instruction {
  const flags: Record<string, string> = {};
  const text = rest.replace(/^(?:--[\w-]+=\S+\s+)+/, (all) => {
    for (const [, name = "", value = ""] of all.matchAll(/--([\w-]+)=(\S+)/g)) flags[name] = value;
    return "";
  });
  return { keyword, flags, text: text.trim() };
}
