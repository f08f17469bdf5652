import type { Appended, JobStore, Session } from "@event-ingestion/store";
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
  | "maintain"
  | "importJobs";
type Read = "lookup" | "heartbeat" | "get" | "getDetail" | "find" | "list" | "counts" | "exportJobs";

/** The name of an operation. */
export type OperationName = Write | Read;

type Port = {
  [Name in OperationName]: (
    ...args: Parameters<Required<JobStore>[Name]>
  ) => Awaited<ReturnType<Required<JobStore>[Name]>>;
};

/** The calls of the port as the thread runs them: synchronously, a write inside a transaction that others share. */
export interface Operations extends Omit<Port, "append" | "lookup" | "claim" | "settle"> {
  append(events: EventColumns): AppendedColumns;
  lookup(events: EventColumns): (Appended | null)[];
  claim(session: Session, max: number): LeasedColumns;
  settle(session: Session, verdicts: VerdictColumns): ("ok" | "lost")[];
}

const writes: ReadonlySet<OperationName> = new Set<Write>([
  "append",
  "openSession",
  "claim",
  "settle",
  "closeSession",
  "cancel",
  "redrive",
  "maintain",
  "importJobs",
]);

/** Whether an operation changes the store, so that it needs a transaction. */
export function isWrite(name: OperationName): boolean {
  return writes.has(name);
}
