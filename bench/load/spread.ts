import type { Connection } from "./connection.ts";

/** Shares calls evenly over connections that carry up to `each` at once: each caller has one of them. */
export function spread(inFlight: number, each: number, open: () => Connection): SharedConnections {
  const connections = Array.from({ length: Math.ceil(inFlight / each) }, open);
  const of = (caller: number): Connection => {
    const connection = connections[caller % connections.length];
    if (connection === undefined) throw new RangeError(`inFlight must be positive, got ${inFlight}`);
    return connection;
  };
  return {
    envelope: of(0).envelope,
    call: (request, caller) => of(caller).call(request),
    close() {
      for (const connection of connections) connection.close();
    },
  };
}

/** A connection whose callers are told apart by their numbers. */
export interface SharedConnections extends Pick<Connection, "envelope" | "close"> {
  call: (request: Buffer, caller: number) => Promise<Buffer>;
}
