import type { JobId } from "@event-ingestion/store";

/** The changes of one transaction that listeners hear of: collected while the writes run, published after the commit. */
export interface Changes {
  /** Jobs whose revision rose. */
  readonly jobs: JobId[];
  /** Some job became due. */
  work: boolean;
  /** The earliest instant at which one of the jobs that must wait is due. */
  nextDueAt: number;
  clear(): void;
}

/** No changes yet. */
export function createChanges(): Changes {
  return {
    jobs: [],
    work: false,
    nextDueAt: Infinity,
    clear() {
      this.jobs.length = 0;
      this.work = false;
      this.nextDueAt = Infinity;
    },
  };
}
