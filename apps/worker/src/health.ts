import { once } from "node:events";
import { createServer } from "node:http";
import { ConfigError } from "@event-ingestion/app-kit/environment";
import { servePages, textPage } from "@event-ingestion/app-kit/pages";
import type { Registry } from "prom-client";

/** What the pages show. */
export interface HealthOptions {
  host: string;
  port: number;
  registry: Registry;
  isReady: () => boolean;
}

/**
 * Serves `/healthz` (the process is alive), `/readyz` (it gets jobs) and `/metrics`.
 *
 * @throws ConfigError if the address cannot be had.
 */
export async function serveHealth(options: HealthOptions): Promise<Disposable & { url: string }> {
  const { host, port, registry, isReady } = options;
  const pages = servePages({
    "/healthz": () => textPage(200, "ok"),
    "/readyz": () => (isReady() ? textPage(200, "ok") : textPage(503, "not ready")),
    "/metrics": async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  });
  const server = createServer(pages).listen(port, host);
  await once(server, "listening").catch((cause: unknown) => {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new ConfigError(`cannot listen on HEALTH_PORT at ${host}:${port}: ${code}`, { cause });
  });
  const address = server.address();
  const bound = address === null || typeof address === "string" ? port : address.port;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    [Symbol.dispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
