/**
 * What a peer gets to end a request that is answered already, over either version of HTTP: so many ms without sending
 * anything, and in all.
 */
export const linger = { idleMs: 1000, totalMs: 10_000 } as const;

/** So many of the largest messages are read of such a request, and thrown away. */
export const discardedMessages = 4;
