import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";
import { createRetention } from "./retention.ts";
import type { EndAttempts } from "./session-operations.ts";

/** Jobs that one call takes from sessions that are over. */
const maxEnded = 1000;

/** Ends sessions whose time is up, then drops a slice of what was kept long enough. */
export function createMaintain(
  context: StoreContext,
  endAttempts: EndAttempts,
): Pick<Operations, "maintain"> {
  const prune = createRetention(context);

  const endSessions = (limit: number) => {
    const ended = { requeued: 0, died: 0, more: false };
    let left = maxEnded;
    for (const session of context.sessions.all()) {
      if (context.sessions.remainingMs(session) > 0) continue;
      const { requeued, died, total } = endAttempts(session.id, { as: "lost", limit }, left);
      left -= total;
      ended.requeued += requeued;
      ended.died += died;
      ended.more = left === 0;
      if (ended.more) break;
      context.sessions.remove(session);
    }
    return ended;
  };

  return {
    maintain({ workerLostLimit, keepMs }) {
      const { requeued, died, more } = endSessions(workerLostLimit);
      const slice = prune(keepMs);
      return { requeued, died, pruned: slice.pruned, more: more || slice.more };
    },
  };
}
