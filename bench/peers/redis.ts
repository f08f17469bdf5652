import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { cpuSecondsOf } from "../process/process-tree.ts";
import type { Bench } from "../scenario.ts";
import type { Database } from "./queue.ts";

/** A Redis for one round in `dir`, which writes every command to a file and syncs that as `appendfsync` says. */
export async function startRedis(
  { dir, own }: Pick<Bench, "dir" | "own">,
  appendfsync: "always" | "everysec",
): Promise<Database> {
  const port = await freePort();
  const settings = { port, bind: "127.0.0.1", dir, appendonly: "yes", appendfsync, save: "" };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const redis = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
  own({
    async [Symbol.asyncDispose]() {
      const exited = once(redis, "exit");
      if (redis.kill("SIGKILL")) await exited;
    },
  });
  const ready = Promise.withResolvers<string>();
  let version = "";
  createInterface(redis.stdout).on("line", (line) => {
    version ||= /Redis version=([\d.]+)/.exec(line)?.[1] ?? "";
    if (line.includes("Ready to accept connections")) ready.resolve(version);
  });
  redis.once("error", () => ready.reject(new Error("redis-server is not installed")));
  redis.once("exit", (code) => ready.reject(new Error(`redis-server ended with ${code}`)));
  await ready.promise;
  const { pid = 0 } = redis;
  return {
    url: `redis://127.0.0.1:${port}`,
    cpuSeconds: () => cpuSecondsOf(pid),
    versions: { Redis: version },
  };
}

/** Redis takes port 0 for none. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
