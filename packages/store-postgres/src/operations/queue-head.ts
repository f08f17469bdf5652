/** A commit that takes longer may have its jobs found late. */
const slackMs = 1000;
/** How often a claim starts from the beginning of the queue. */
const wholeEveryMs = 1000;

/**
 * Where the due jobs begin. Claimed jobs stay in the index until the next vacuum, a minute or a million jobs later, and a claim
 * that started at the beginning would read all of them. So a claim starts a little before the oldest job of the last claim. Jobs
 * that come in later with an older time, by a slow commit or an import, are found by the one claim a second that starts at the
 * beginning.
 */
export interface QueueHead {
  /** The due time from which on the next claim looks. 0: the beginning. */
  next: () => number;
  /** The due time of the oldest job that was claimed, apart from those that run alone and overtake others. */
  found: (dueAt: number) => void;
}

/** A head that knows of no claim yet. */
export function createQueueHead(): QueueHead {
  let from = 0;
  let wholeAt = Number.NEGATIVE_INFINITY;
  return {
    next() {
      const now = performance.now();
      if (now - wholeAt < wholeEveryMs) return from;
      wholeAt = now;
      return 0;
    },
    found(dueAt) {
      from = dueAt - slackMs;
    },
  };
}
