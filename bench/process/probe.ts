// Loaded first into every process that the benchmark starts: answers what the parent asks over IPC.
import { isMainThread } from "node:worker_threads";

/** What a process of the benchmark can be asked. */
export interface Question {
  id: number;
  name: string;
  body: unknown;
}

/** `error`: the question failed, and why. */
export interface Answer {
  id: number;
  body?: unknown;
  error?: string;
}

/** What every process can be asked: what it used. */
export interface Usage {
  cpuSeconds: number;
  /** Memory that it holds now, files that it has mapped included. */
  residentMiB: number;
  /** The most it ever held. */
  peakMiB: number;
}

type Answerer = (body: never) => unknown;
const answerers = new Map<string, PromiseWithResolvers<Answerer>>();

/** Lets the parent ask for `name`; who asked before waits for this. */
export function answers(name: string, answerer: Answerer): void {
  answererOf(name).resolve(answerer);
}

function answererOf(name: string): PromiseWithResolvers<Answerer> {
  const known = answerers.get(name) ?? Promise.withResolvers<Answerer>();
  answerers.set(name, known);
  return known;
}

async function reply({ id, name, body }: Question): Promise<Answer> {
  try {
    const answerer = await answererOf(name).promise;
    return { id, body: await answerer(body as never) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

// Threads of the process inherit the preload; the process speaks for them.
if (isMainThread && process.send !== undefined) {
  answers("usage", (): Usage => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    return {
      cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
      residentMiB: process.memoryUsage.rss() / 2 ** 20,
      peakMiB: maxRSS / 1024,
    };
  });
  process.on("message", (question: Question) => {
    void reply(question).then((answer) => process.send?.(answer));
  });
  // The parent is gone, however it ended.
  process.on("disconnect", () => process.exit());
}
