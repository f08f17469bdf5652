import type { Hint, JobId } from "./job-store.ts";

/** A listener that does not keep up with so many ids is told "all" instead. */
const maxPendingJobs = 10_000;

/** Nudges for all who listen. */
export interface Hints {
  /** `all`: more jobs than these may have changed. */
  publish(hint: { work: boolean; jobs: readonly JobId[]; all?: boolean | undefined }): void;
  /** Hears what is published from now on, until the signal aborts or the store closes. */
  listen(signal: AbortSignal): AsyncIterable<Hint>;
  close(): void;
}

interface Inbox {
  work: boolean;
  /** None while it is to be told of all. */
  jobs: JobId[];
  all: boolean;
  over: boolean;
  wake: () => void;
  /** Hears no more, and ends once it is asked. */
  leave: () => void;
}

/** Hints without listeners. */
export function createHints(): Hints {
  const inboxes = new Set<Inbox>();
  let closed = false;

  return {
    publish({ work, jobs, all = false }) {
      for (const inbox of inboxes) {
        inbox.work ||= work;
        inbox.all ||= all || inbox.jobs.length + jobs.length > maxPendingJobs;
        if (inbox.all) inbox.jobs = [];
        else inbox.jobs.push(...jobs);
        inbox.wake();
      }
    },
    listen(signal) {
      const inbox: Inbox = { work: false, jobs: [], all: false, over: false, wake() {}, leave };
      function leave() {
        inboxes.delete(inbox);
        signal.removeEventListener("abort", leave);
        inbox.over = true;
        inbox.wake();
      }
      inboxes.add(inbox);
      // Also when nobody iterates any more: a generator that is not resumed never reaches a finally.
      signal.addEventListener("abort", leave);
      if (closed || signal.aborted) leave();
      return drain(inbox);
    },
    close() {
      closed = true;
      for (const inbox of inboxes) inbox.leave();
    },
  };
}

async function* drain(inbox: Inbox): AsyncGenerator<Hint> {
  try {
    while (!inbox.over) {
      if (inbox.work) {
        inbox.work = false;
        yield "work";
      } else if (inbox.all) {
        inbox.all = false;
        yield "all";
      } else if (inbox.jobs.length > 0) {
        const jobs = inbox.jobs;
        inbox.jobs = [];
        yield jobs;
      } else {
        await new Promise<void>((resolve) => (inbox.wake = resolve));
      }
    }
  } finally {
    inbox.leave();
  }
}
