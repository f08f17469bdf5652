/** A job queue of others, connected to its database until the process ends. */
export interface Queue {
  /** Adds one job, as an application does. Resolves when the database has it. */
  add: (job: Job) => Promise<unknown>;
  /** Adds many, in the fastest way that the queue documents. */
  addMany: (jobs: Job[]) => Promise<unknown>;
  /** Starts workers in this process, set up as the queue documents for the highest rate. */
  work: (handle: (job: Job) => void) => Promise<unknown>;
  /** Whether the database says that every job is done. */
  idle: () => Promise<boolean>;
}

/** What a file in this folder that speaks to a queue exports as its default. */
export type OpenQueue = (url: string) => Promise<Queue>;

/** The data of a job: an event, and when it was sent by the clock of the process. */
export interface Job {
  event: string;
  sentAt: number;
}

/** The database of a queue, started for one round. */
export interface Database {
  url: string;
  /** CPU time of all its processes; NaN where the platform does not tell. */
  cpuSeconds: () => number;
  /** Its name and version. */
  versions: Record<string, string>;
}
