import { createInterface } from "node:readline";
import type { Child } from "./child.ts";

/** A server in a process of its own. */
export interface Server extends Child {
  url: string;
}

/** Waits until the process says on stdout where it listens: a JSON line with `msg` "listening" and `url`. */
export async function listening(child: Child): Promise<Server> {
  const said = new Promise<string>((resolve) => {
    createInterface(child.stdout).on("line", (line) => {
      if (line.includes('"msg":"listening"')) resolve((JSON.parse(line) as { url: string }).url);
    });
  });
  return { ...child, url: await Promise.race([said, child.ended]) };
}
