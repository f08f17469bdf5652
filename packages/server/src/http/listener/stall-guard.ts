import type { ServerResponse } from "node:http";
import { constants, type ServerHttp2Stream } from "node:http2";
import { Bag, type Member } from "../bag.ts";

/** Where an answer is written to. */
export type AnswerStream = ServerResponse | ServerHttp2Stream;

/** Cuts answers that nobody reads. */
export interface StallGuard {
  /** Watches an answer until it is closed. */
  watch(answer: AnswerStream): void;
  /** Watches one that is written at once, until it leaves. */
  watchOnce(answer: AnswerStream): Member<AnswerStream>;
  /** The answers that are not closed yet. */
  readonly open: Iterable<Member<AnswerStream>>;
  stop(): void;
}

/** A reader below this rate counts as stalled; a guess, far below a bad mobile connection. */
const bytesPerMs = 32;

/**
 * Cuts peers that never read, which would keep their stream for ever as long as they answer pings. One write may take `stallMs`
 * plus the time for its size at 32 kB/s. The time counts from the last completed write. The number of unsent bytes would not do:
 * it does not shrink for a slow reader of equal messages.
 */
export function createStallGuard(stallMs: number, stalled: () => void): StallGuard {
  /** With the time of their last progress. */
  const open = new Bag<AnswerStream>();
  const timer = setInterval(
    () => {
      const now = performance.now();
      for (const member of open) {
        const unsent = member.item.writableLength;
        if (unsent === 0) member.value = now;
        else if (now - member.value > stallMs + unsent / bytesPerMs) {
          stalled();
          cut(member.item);
        }
      }
    },
    Math.min(1000, stallMs / 4),
  ).unref();
  const watchOnce = (answer: AnswerStream) => open.add(answer, performance.now());
  return {
    watch(answer) {
      const member = watchOnce(answer);
      const progress = () => void (member.value = performance.now());
      answer.on("drain", progress).once("close", () => member.leave());
    },
    watchOnce,
    open,
    stop: () => clearInterval(timer),
  };
}

function cut(answer: AnswerStream): void {
  if ("session" in answer) answer.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  else answer.destroy();
}
