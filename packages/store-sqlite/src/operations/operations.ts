import type { Appended, JobStore, Policy, Session } from "@event-ingestion/store";
import type { AppendedColumns, EventColumns, LeasedColumns } from "./event-columns.ts";
import type { VerdictColumns } from "./verdict-columns.ts";

type Write =
  | "append"
  | "openSession"
  | "claim"
  | "settle"
  | "closeSession"
  | "cancel"
  | "redrive"
  | "endSessions"
  | "prune"
  | "importJobs";
type Read = "lookup" | "heartbeat" | "get" | "getDetail" | "find" | "list" | "counts" | "exportJobs";

/** The name of an operation. */
export type OperationName = Write | Read;

type Port = {
  [Name in OperationName & keyof JobStore]: (
    ...args: Parameters<Required<JobStore>[Name]>
  ) => Awaited<ReturnType<Required<JobStore>[Name]>>;
};

/** The calls of the port as the thread runs them: synchronously, a write inside a transaction that others share. */
export interface Operations extends Omit<Port, "append" | "lookup" | "claim" | "settle"> {
  append(events: EventColumns): AppendedColumns;
  lookup(events: EventColumns): (Appended | null)[];
  claim(session: Session, max: number): LeasedColumns;
  settle(session: Session, verdicts: VerdictColumns): ("ok" | "lost")[];
  /** The first half of `maintain`: ends sessions whose time is up. `more`: call again. */
  endSessions(workerLostLimit: number): { requeued: number; died: number; more: boolean };
  /** The second: drops what is due in one slice of the jobs, key and all. `more`: call again. */
  prune(keepMs: Policy["keepMs"]): { pruned: number; more: boolean };
}

const writes: ReadonlySet<OperationName> = new Set<Write>([
  "append",
  "openSession",
  "claim",
  "settle",
  "closeSession",
  "cancel",
  "redrive",
  "endSessions",
  "prune",
  "importJobs",
]);

/** Whether an operation changes the store, so that it needs a transaction. */
export function isWrite(name: OperationName): boolean {
  return writes.has(name);
}
