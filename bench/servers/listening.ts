import type { AddressInfo, Server } from "node:net";

/** Listens on any free port of the loopback interface and says so, as `event-server` does. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => sayListening((server.address() as AddressInfo).port));
}

/** The line that the benchmark waits for. */
export function sayListening(port: number): void {
  process.stdout.write(`${JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${port}` })}\n`);
}
