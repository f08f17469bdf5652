import type { Operations } from "./operations.ts";
import type { StoreContext } from "./store-context.ts";
import { createRetention } from "./retention.ts";
import type { EndAttempts } from "./session-operations.ts";

/** Jobs that one call takes from sessions that are over. */
const maxEnded = 1000;

/** The two halves of `maintain`. Each has its own transaction, so that an error in one does not undo the other. */
export function createMaintain(
  context: StoreContext,
  endAttempts: EndAttempts,
): Pick<Operations, "endSessions" | "prune"> {
  const endSessions: Operations["endSessions"] = (limit) => {
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

  return { endSessions, prune: createRetention(context) };
}
