import type { Connection } from "./connection.ts";

/** Shares `inFlight` calls evenly over connections that carry up to `each` at once. */
export function spread(inFlight: number, each: number, open: () => Connection): Connection {
  const connections = Array.from({ length: Math.ceil(inFlight / each) }, open);
  const idle = Array.from({ length: inFlight }, (_, index) => connections[index % connections.length]);
  const [first] = connections;
  if (first === undefined) throw new RangeError(`inFlight must be positive, got ${inFlight}`);
  return {
    envelope: first.envelope,
    async call(request) {
      const connection = idle.pop();
      if (connection === undefined) throw new Error(`more than ${inFlight} calls in flight`);
      try {
        return await connection.call(request);
      } finally {
        idle.push(connection);
      }
    },
    close() {
      for (const connection of connections) connection.close();
    },
  };
}
