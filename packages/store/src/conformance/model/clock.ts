import type { Engine } from "../case.ts";

/** A stretch of the engine's time that began when it was made. */
export interface Timer {
  passed(): boolean;
}

/**
 * What a run knows of the engine's time: at least what it lets elapse goes by, and at most that and the real time in
 * between. Which of the two an engine shows is its own affair, so a run asks for nothing that depends on it.
 */
export interface ModelClock {
  readonly spanMs: number;
  elapse(spans: number): Promise<void>;
  timer(ms: number): Timer;
  /** Lets time elapse until each timer has surely passed, or surely will not during the next call. */
  settle(): Promise<void>;
}

/** A clock of the model that follows the clock of the engine. */
export function createModelClock({ elapse, spanMs }: Engine): ModelClock {
  let least = 0;
  let most = 0;
  let mark = performance.now();
  const unsure: ((mostNow: number) => boolean)[] = [];

  const mostNow = () => most + performance.now() - mark;

  const clock: ModelClock = {
    spanMs,
    async elapse(spans) {
      const ms = spans * spanMs;
      most = mostNow();
      mark = performance.now();
      await elapse(spans);
      const took = performance.now() - mark;
      least += ms;
      // An engine that slept needed that long; one that moved its clock did so beside the real time.
      most += took < ms ? ms : 0;
    },
    timer(ms) {
      const [leastThen, mostThen] = [least, mostNow()];
      const passed = () => least - leastThen >= ms;
      unsure.push((now) => !passed() && now - mostThen + spanMs / 2 >= ms);
      return { passed };
    },
    async settle() {
      while (unsure.some((isUnsure) => isUnsure(mostNow()))) await clock.elapse(1);
    },
  };
  return clock;
}
