import type { State } from "@event-ingestion/store";

/** The states as the table keeps them. */
export const stateCode = {
  QUEUED: 1,
  RUNNING: 2,
  SUCCEEDED: 3,
  DEAD: 4,
  CANCELLED: 5,
} as const satisfies Record<State, number>;

export type StateCode = (typeof stateCode)[State];

const names: readonly State[] = ["QUEUED", "RUNNING", "SUCCEEDED", "DEAD", "CANCELLED"];

/** undefined: the table holds what nobody wrote. */
export function stateName(code: number): State | undefined {
  return names[code - 1];
}
