import type { Clock } from "../time/clock.ts";

/** Also bounds how late a step of the machine's clock is noticed. */
const maxSleepMs = 60_000;

/** Notices when a waiting job becomes due, so that workers need not poll. */
export interface DueTimer {
  /** A job was put off until an instant. */
  expect(at: number): void;
  /** Fires if the instant has passed; a clock may be moved. */
  check(): void;
  stop(): void;
}

/** `look` reads the clock; `next` is the first instant to come at which something is due. */
export function createDueTimer(options: {
  clock: Pick<Clock, "now">;
  look: () => void;
  next: () => number | undefined;
  due: () => void;
}): DueTimer {
  const { clock, look, next, due } = options;
  let at = Infinity;
  let timer: NodeJS.Timeout | undefined;

  const arm = () => {
    clearTimeout(timer);
    if (at !== Infinity) timer = setTimeout(tick, Math.min(Math.max(at - clock.now(), 0), maxSleepMs));
  };
  const expect = (instant: number) => {
    if (instant >= at) return;
    at = instant;
    arm();
  };
  const check = () => {
    if (clock.now() < at) return;
    at = Infinity;
    due();
    expect(next() ?? Infinity);
  };
  function tick() {
    look();
    check();
    arm();
  }
  return { expect, check, stop: () => clearTimeout(timer) };
}
