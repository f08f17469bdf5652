import type { State } from "./job-store.ts";

/** The states as both adapters keep them in their tables. */
export const stateCode: Record<State, number> = {
  QUEUED: 1,
  RUNNING: 2,
  SUCCEEDED: 3,
  DEAD: 4,
  CANCELLED: 5,
};

const names: readonly State[] = ["QUEUED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED"];

/** undefined: the table holds a number that is no state. */
export function stateName(code: number): State | undefined {
  return names[code - 1];
}
