/** Delay in ms after which a client that brought this many events, and was refused, should retry. */
export type RetryDelay = (events: number, eventsPerMs: number) => number;

/** How long a refusal counts, in ms: by then its client has retried, or given up. */
const memoryMs = 1000;

/**
 * The delay is the time that the store needs for all events refused lately. After a shorter delay more clients would retry than
 * there is room for, and be refused again.
 */
export function createRetryDelay(now: () => number = () => performance.now()): RetryDelay {
  let refused = 0;
  let at = now();
  return (events, eventsPerMs) => {
    const passedMs = now() - at;
    at += passedMs;
    refused = refused * Math.exp(-passedMs / memoryMs) + events;
    return refused / eventsPerMs;
  };
}
