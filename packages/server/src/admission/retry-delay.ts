/** Delay in ms after which a client that brought this many events, and was refused, should retry. */
export type RetryDelay = (events: number, eventsPerMs: number) => number;

/** How long a refusal counts, in ms: its client has come back, or given up, by then. */
const memoryMs = 1000;

/**
 * There is room for everybody who was refused lately once all that they brought could have been stored. A shorter delay would
 * bring back more than there is room for, to be refused again.
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
