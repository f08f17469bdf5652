import { type JobSource, type Leased, type Session, StoreError, type Verdict } from "@event-ingestion/store";
import { inRequests } from "./remote-messages.ts";

/** One session of the source, and which of its jobs are known here and not settled. */
interface Part {
  session: Session;
  known: Set<string>;
}

/** The session as its user sees it. */
interface Whole {
  worker: string;
  ttlMs: number;
  /** The part that the next claim uses. undefined: the next claim opens another one. */
  current: Part | undefined;
  /** No claim goes there any more. */
  retired: Set<Part>;
  /** Answers of a settlement that failed later: it will be repeated, and what it has settled must not be settled again. */
  answers: Map<string, Answer>;
}

type Answer = "ok" | "lost";

/**
 * Sessions over a source whose answers may be lost.
 *
 * A claim without an answer may have leased jobs that nobody knows of. They would stay leased as long as the worker renews their
 * session. So that session is retired: the next claim opens another one, and the retired session is renewed until its known
 * jobs are settled. Then it is closed, which hands the unknown jobs back. The user sees one session with several parts; it is lost
 * when a part with known jobs is lost.
 *
 * A settlement may take several requests: one for each part, and more if one would be too large. If one of them fails, the whole
 * call fails, and the answers to the requests before it are kept until it is repeated.
 */
export function relaySessions(source: JobSource): JobSource {
  const wholes = new WeakMap<Session, Whole>();
  const wholeOf = (session: Session): Whole => {
    const whole = wholes.get(session);
    if (whole === undefined)
      throw new StoreError("notApplied", "invalid", "the session is not of this source");
    return whole;
  };
  const open = async (worker: string, ttlMs: number): Promise<Part> => ({
    session: await source.openSession(worker, ttlMs, "remote"),
    known: new Set(),
  });
  const reopen = async (whole: Whole): Promise<Part> => {
    whole.current = await open(whole.worker, whole.ttlMs);
    // The source answers again.
    void closeRetired(whole);
    return whole.current;
  };
  /** One that cannot be closed now is closed later, or ends with its lease. */
  const closeRetired = async (whole: Whole): Promise<void> => {
    for (const part of whole.retired) {
      if (part.known.size > 0) continue;
      await source.closeSession(part.session).then(
        () => whole.retired.delete(part),
        () => undefined,
      );
    }
  };

  const settleRequest = async (whole: Whole, part: Part, verdicts: readonly Verdict[]): Promise<void> => {
    const given = await source.settle(part.session, verdicts);
    for (const [index, verdict] of verdicts.entries()) {
      part.known.delete(attemptKey(verdict));
      whole.answers.set(attemptKey(verdict), given[index] ?? "lost");
    }
  };

  return {
    async openSession(worker, ttlMs) {
      const part = await open(worker, ttlMs);
      wholes.set(part.session, { worker, ttlMs, current: part, retired: new Set(), answers: new Map() });
      return part.session;
    },

    async claim(session, max, signal) {
      const whole = wholeOf(session);
      const part = whole.current ?? (await reopen(whole));
      try {
        const jobs = await source.claim(part.session, max, signal);
        for (const job of jobs) part.known.add(attemptKey(job));
        return jobs;
      } catch (error) {
        if (error instanceof StoreError && error.outcome === "notApplied") throw error;
        whole.current = undefined;
        whole.retired.add(part);
        throw error;
      }
    },

    async heartbeat(session) {
      const whole = wholeOf(session);
      void closeRetired(whole);
      const renewed = partsOf(whole).filter((part) => part === whole.current || part.known.size > 0);
      const answers = await Promise.all(renewed.map((part) => source.heartbeat(part.session)));
      return {
        lost: answers.some(({ lost }) => lost),
        cancelRequested: answers.flatMap(({ cancelRequested }) => cancelRequested),
      };
    },

    async settle(session, verdicts) {
      const whole = wholeOf(session);
      for (const part of partsOf(whole)) {
        const own = verdicts.filter((verdict) => part.known.has(attemptKey(verdict)));
        for (const request of inRequests(own)) await settleRequest(whole, part, request);
      }
      void closeRetired(whole);
      return verdicts.map((verdict) => {
        const answer = whole.answers.get(attemptKey(verdict));
        whole.answers.delete(attemptKey(verdict));
        return answer ?? "lost";
      });
    },

    async closeSession(session) {
      await Promise.all(partsOf(wholeOf(session)).map((part) => source.closeSession(part.session)));
    },

    hints: (signal) => source.hints(signal),
  };
}

function partsOf({ current, retired }: Whole): Part[] {
  return current === undefined ? [...retired] : [current, ...retired];
}

function attemptKey({ jobId, attempt }: Pick<Leased | Verdict, "jobId" | "attempt">): string {
  return `${jobId} ${attempt}`;
}
