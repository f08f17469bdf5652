/** Says in how many ms those who ask for room for so many events should ask again. */
export type RetryDelay = (events: number, eventsPerMs: number) => number;

/** How long a refusal counts, in ms; then its client has come back or given up. */
const memoryMs = 1000;

/**
 * At a given pace there is room for everybody who was refused lately after as long as it takes to store all that they
 * brought. Shorter delays would bring back more than there is room for, to be refused again.
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
