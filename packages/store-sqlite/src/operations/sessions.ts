import { randomUUID } from "node:crypto";
import type { Clock } from "../time/clock.ts";
import { type Database, query } from "../database/driver.ts";

interface SessionRow {
  id: number;
  worker: string;
  ttl: number;
  remote: number;
}

/** The leases. Their holders are in the file, their ends only in memory, so that a heartbeat writes nothing. */
export interface Sessions {
  open(session: { worker: string; ttlMs: number; remote: boolean }): string;
  /** A session that was not ended yet, even if its time is up. */
  find(token: string): SessionRow | undefined;
  extend(session: SessionRow): void;
  remove(session: SessionRow): void;
  all(): SessionRow[];
  /** It holds no job. */
  isEmpty(id: number): boolean;
  /** Until it is over; not above 0 if it is. */
  remainingMs(session: SessionRow): number;
}

/**
 * `deadlines` outlives the connection. A session without a deadline (the store was reopened, or the session's end was rolled back)
 * gets one full ttl from the moment when it is first seen.
 */
export function createSessions(
  db: Database,
  { clock, deadlines }: { clock: Clock; deadlines: Deadlines },
): Sessions {
  const insert = db.prepare("INSERT INTO session(token, worker, ttl, remote) VALUES(?, ?, ?, ?)");
  const byToken = query<SessionRow>(db, "SELECT id, worker, ttl, remote FROM session WHERE token = ?");
  const every = query<SessionRow>(db, "SELECT id, worker, ttl, remote FROM session ORDER BY id");
  const held = query(db, "SELECT 1 FROM job WHERE session = ? LIMIT 1");
  const remove = db.prepare("DELETE FROM session WHERE id = ?");

  const extend = ({ id, ttl }: Pick<SessionRow, "id" | "ttl">) => {
    const deadline = clock.monotonic() + ttl;
    deadlines.set(id, deadline);
    return deadline;
  };
  for (const session of every.all()) if (!deadlines.has(session.id)) extend(session);

  return {
    open({ worker, ttlMs, remote }) {
      const token = randomUUID();
      const { lastInsertRowid } = insert.run(token, worker, ttlMs, remote ? 1 : 0);
      extend({ id: Number(lastInsertRowid), ttl: ttlMs });
      return token;
    },
    find: (token) => byToken.get(token),
    extend,
    remove({ id }) {
      remove.run(id);
      deadlines.delete(id);
    },
    all: () => every.all(),
    isEmpty: (id) => held.get(id) === undefined,
    remainingMs: (session) => (deadlines.get(session.id) ?? extend(session)) - clock.monotonic(),
  };
}

/** Session to the instant on the monotonic clock at which it ends. */
export type Deadlines = Map<number, number>;
