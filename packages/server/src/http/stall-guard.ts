import type { ServerResponse } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";

/** Where an answer is written to. */
export type Answer = ServerResponse | ServerHttp2Stream;

/** Cuts answers that nobody reads. */
export interface StallGuard {
  /** Watches an answer until it is closed. */
  watch(answer: Answer): void;
  /** Watches one that is written at once, until `forget`. */
  watchOnce(answer: Answer): void;
  forget: (answer: Answer) => void;
  /** The answers that are not closed yet. */
  readonly open: Iterable<Answer>;
  stop(): void;
}

/** Below this rate a reader counts as stalled; a guess, far below what a bad mobile connection does. */
const bytesPerMs = 32;

/**
 * A peer that never reads would keep its stream for ever as long as it answers pings. So one write may take `stallMs`
 * and its size at 32 kB/s. What counts is the time since the last write completed, not whether less is unsent than
 * before: that would cut a slow reader of equal messages.
 */
export function createStallGuard(stallMs: number, stalled: () => void): StallGuard {
  const lastProgress = new Map<Answer, number>();
  const timer = setInterval(
    () => {
      const now = performance.now();
      for (const [answer, since] of lastProgress) {
        const unsent = answer.writableLength;
        if (unsent === 0) lastProgress.set(answer, now);
        else if (now - since > stallMs + unsent / bytesPerMs) {
          stalled();
          cut(answer);
        }
      }
    },
    Math.min(1000, stallMs / 4),
  ).unref();
  const forget = (answer: Answer) => void lastProgress.delete(answer);
  return {
    watch(answer) {
      const progress = () => lastProgress.set(answer, performance.now());
      progress();
      answer.on("drain", progress).once("close", () => forget(answer));
    },
    watchOnce: (answer) => void lastProgress.set(answer, performance.now()),
    forget,
    get open() {
      return lastProgress.keys();
    },
    stop: () => clearInterval(timer),
  };
}

function cut(answer: Answer): void {
  if ("session" in answer) answer.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  else answer.destroy();
}
