import type { JobId } from "@event-ingestion/store";

/** What the writes of one transaction did that others want to hear of. Collected while they run, told after the commit. */
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
