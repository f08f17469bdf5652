import { randomBytes } from "node:crypto";

const prefix = "stdin-";

/** What this run calls an input that has no name, so that its events are not taken for those of another run. */
export function makeName(): string {
  return prefix + randomBytes(6).toString("hex");
}

/** Whether a name was made, not given. */
export function isMadeName(name: string): boolean {
  return name.startsWith(prefix);
}
