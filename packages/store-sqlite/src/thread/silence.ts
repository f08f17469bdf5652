/** Notices when the thread answered nobody for a while: stopped with its process, or waiting for a disk. */
export interface Silence {
  /** The thread is awake. */
  notice(): void;
  stop(): void;
}

const tickMs = 500;
/** A shorter silence cannot be told from a thread that had nothing to do. */
const minSilenceMs = 2 * tickMs;

/**
 * When a silence is over, `heard` gets its length. A silence goes on while `canAnswer` says no, however often the thread wakes.
 */
export function createSilence(options: { canAnswer: () => boolean; heard: (ms: number) => void }): Silence {
  const { canAnswer, heard } = options;
  let awakeAt = performance.now();

  const notice = () => {
    if (!canAnswer()) return;
    const now = performance.now();
    const silentMs = now - awakeAt;
    awakeAt = now;
    if (silentMs >= minSilenceMs) heard(silentMs);
  };
  const timer = setInterval(notice, tickMs).unref();
  return { notice, stop: () => clearInterval(timer) };
}
