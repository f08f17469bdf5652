/**
 * The time that a peer has to end a request that is already answered, over either version of HTTP, in ms: without sending
 * anything, and in all.
 */
export const linger = { idleMs: 1000, totalMs: 10_000 } as const;

/** How much of such a request is read and discarded: this many messages of the largest size. */
export const discardedMessages = 4;
