import type { Http2Server, Http2Session } from "node:http2";
import type { ConnectionEvent } from "../connection-event.ts";
import type { Limits } from "../limits.ts";
import type { AnswerStream } from "./stall-guard.ts";

/** The limits of the sessions of a server. */
export interface SessionWatchOptions {
  limits: Pick<Limits, "pingIntervalMs" | "pingTimeoutMs" | "idleMs">;
  /** The answers under way: a session that has one is not idle. */
  openAnswers: () => Iterable<{ item: AnswerStream }>;
  observe: (event: ConnectionEvent) => void;
}

/** The HTTP/2 sessions of one server. */
export interface SessionWatch {
  /** A request came in: its session is not idle. */
  touch(session: Http2Session | undefined): void;
  /** Sends GOAWAY to all: streams in flight finish, new ones are refused. */
  closeAll(): void;
  stop(): void;
}

/**
 * Pings every session of `server` and destroys those that do not answer; closes those without a stream for too long.
 * `session.setTimeout` would not do: it also closes a session whose only stream is a watch without news.
 */
export function watchSessions(server: Http2Server, options: SessionWatchOptions): SessionWatch {
  const { limits, observe } = options;
  const lastUsed = new Map<Http2Session, number>();
  const touch = (session: Http2Session | undefined) => {
    if (session !== undefined && lastUsed.has(session)) lastUsed.set(session, performance.now());
  };

  server.on("session", (session) => {
    lastUsed.set(session, performance.now());
    session.once("close", () => lastUsed.delete(session));
  });
  server.on("sessionError", (error) => observe({ what: "http2-session-error", error }));

  const timer = setInterval(() => {
    for (const { item } of options.openAnswers()) if ("session" in item) touch(item.session);
    const now = performance.now();
    for (const [session, since] of lastUsed) if (now - since > limits.idleMs) session.close();
    const waiting = pingAll(lastUsed.keys());
    const cut = () => {
      for (const session of waiting) {
        observe({ what: "http2-ping-timeout" });
        session.destroy();
      }
    };
    // After a pause of the whole process, setImmediate lets the answers that came meanwhile be read first.
    setTimeout(() => setImmediate(cut), limits.pingTimeoutMs).unref();
  }, limits.pingIntervalMs).unref();

  return {
    touch,
    closeAll() {
      for (const session of lastUsed.keys()) session.close();
    },
    stop: () => clearInterval(timer),
  };
}

/**
 * The sessions that have not answered yet; one that ends meanwhile counts as answered. To answer a ping is not enough
 * as long as the settings sent long before are not acknowledged: they do not bind the peer until then.
 */
function pingAll(sessions: Iterable<Http2Session>): Set<Http2Session> {
  const waiting = new Set<Http2Session>();
  for (const session of sessions) {
    if (session.destroyed) continue;
    waiting.add(session);
    session.ping((error) => {
      if (error !== null || !session.pendingSettingsAck) waiting.delete(session);
    });
  }
  return waiting;
}
