import { constants } from "node:http2";
import type { NodeResponse } from "./safe-adapter.ts";

/** Cuts answers that nobody reads. */
export interface StallGuard {
  /** Watches an answer until it is closed. */
  watch(response: NodeResponse): void;
  /** The answers that are not closed yet. */
  readonly open: Iterable<NodeResponse>;
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
  const lastProgress = new Map<NodeResponse, number>();
  const timer = setInterval(
    () => {
      const now = performance.now();
      for (const [response, since] of lastProgress) {
        const unsent = ("stream" in response ? response.stream : response).writableLength;
        if (unsent === 0) lastProgress.set(response, now);
        else if (now - since > stallMs + unsent / bytesPerMs) {
          stalled();
          cut(response);
        }
      }
    },
    Math.min(1000, stallMs / 4),
  ).unref();
  return {
    watch(response) {
      const progress = () => lastProgress.set(response, performance.now());
      progress();
      response.on("drain", progress).once("close", () => lastProgress.delete(response));
    },
    get open() {
      return lastProgress.keys();
    },
    stop: () => clearInterval(timer),
  };
}

function cut(response: NodeResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  else response.destroy();
}
