import { spawn } from "node:child_process";
import { once } from "node:events";
import { untilReady } from "./event-service.ts";
import { freePort } from "./free-port.ts";
import { startNameServer } from "./name-server.ts";
import { root, type ServerProcess, startServer } from "./server-process.ts";

/** Servers behind deploy/haproxy.cfg as docker-compose.yml runs it: one name, one address a server, one port. */
export interface ProxiedServers extends AsyncDisposable {
  /** The address of the proxy. */
  url: string;
  /** Starts one more server, or a new one at an address that had one. */
  start: (address: string) => Promise<ServerProcess>;
  /** What the proxy has logged. */
  log: () => string;
}

/** The proxy alone; the servers get `env`, each an address of Linux's loopback. With a file of certificate and key it speaks TLS. */
export async function startProxy(env: Record<string, string>, certificate?: string): Promise<ProxiedServers> {
  await using resources = new AsyncDisposableStack();
  const names = resources.use(await startNameServer([]));
  const [port, serverPort] = [await freePort(), await freePort()];
  const proxy = spawn("haproxy", ["-db", "-f", `${root}deploy/haproxy.cfg`], {
    env: {
      PATH: process.env.PATH,
      BIND: `127.0.0.1:${port}${certificate === undefined ? "" : ` ssl crt ${certificate} alpn h2,http/1.1`}`,
      SERVERS: `server.test:${serverPort}`,
      DNS: `127.0.0.1:${names.port}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [proxy.stdout, proxy.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (log += text));
  }
  const end = () => proxy.kill("SIGKILL");
  process.once("exit", end);
  resources.defer(async () => {
    process.off("exit", end);
    const exited = once(proxy, "exit");
    if (proxy.exitCode === null && end()) await exited;
  });
  const running = resources.move();
  return {
    url: `${certificate === undefined ? "http" : "https"}://localhost:${port}`,
    log: () => log,
    async start(address) {
      const server = await startServer({ env: { ...env, HOST: address, PORT: String(serverPort) } });
      running.use(server);
      await untilReady(server.url);
      if (!names.addresses.includes(address)) names.addresses = [...names.addresses, address];
      return server;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
