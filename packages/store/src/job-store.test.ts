import { expect, test } from "vitest";
import { type Job, revision } from "./job-store.ts";

type Position = Pick<Job, "state" | "attempts" | "cancelRequested">;

/** Everything that can happen to a job, with the names of the calls. */
function moves({ state, attempts, cancelRequested }: Position): Record<string, Position> {
  const at = (next: Job["state"], change: Partial<Position> = {}): Position => {
    return { state: next, attempts, cancelRequested: false, ...change };
  };
  switch (state) {
    case "QUEUED":
      return { claim: at("RUNNING", { attempts: attempts + 1 }), cancel: at("CANCELLED") };
    case "RUNNING":
      return {
        succeeded: at("SUCCEEDED"),
        dead: at("DEAD"),
        cancelled: at("CANCELLED"),
        ...(cancelRequested
          ? { stopped: at("CANCELLED") }
          : { retry: at("QUEUED"), cancel: at("RUNNING", { cancelRequested: true }) }),
      };
    case "DEAD":
      return { redrive: at("QUEUED") };
    case "CANCELLED":
      return { redrive: at("QUEUED", { attempts: attempts + 1 }) };
    case "SUCCEEDED":
      return {};
  }
}

/** All positions that can be reached from a new job within that many attempts. */
function reachable(maxAttempts: number): Position[] {
  const found = new Map<string, Position>();
  const visit = (position: Position) => {
    const key = JSON.stringify(position);
    if (position.attempts > maxAttempts || found.has(key)) return;
    found.set(key, position);
    Object.values(moves(position)).forEach(visit);
  };
  visit({ state: "QUEUED", attempts: 0, cancelRequested: false });
  return [...found.values()];
}

test("the revision rises with every move a job can make", () => {
  for (const before of reachable(3)) {
    for (const [move, after] of Object.entries(moves(before))) {
      const step = `${before.state} ${move} ${after.state}`;
      expect({ step, rises: revision(after) > revision(before) }).toEqual({ step, rises: true });
    }
  }
});

test("only the two endings by a verdict share a revision: a job reaches one of them at an attempt", () => {
  const byRevision = Map.groupBy(reachable(3), revision);
  const shared = [...byRevision.values()].filter((positions) => positions.length > 1);
  expect(shared.map((positions) => positions.map(({ state }) => state).toSorted())).toEqual([
    ["DEAD", "SUCCEEDED"],
    ["DEAD", "SUCCEEDED"],
    ["DEAD", "SUCCEEDED"],
  ]);
});

test.each([
  { state: "RUNNING", cancelRequested: false, expected: 10 },
  { state: "RUNNING", cancelRequested: true, expected: 11 },
  { state: "SUCCEEDED", cancelRequested: false, expected: 12 },
  { state: "DEAD", cancelRequested: false, expected: 12 },
  { state: "QUEUED", cancelRequested: false, expected: 13 },
  { state: "CANCELLED", cancelRequested: false, expected: 14 },
] as const)("watchers have seen these numbers: $state, $cancelRequested", ({ expected, ...position }) => {
  expect(revision({ ...position, attempts: 2 })).toBe(expected);
});
