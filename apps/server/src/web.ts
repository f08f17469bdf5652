import { servePages, textPage } from "@event-ingestion/app-kit/pages";
import type { Metrics, NodeHandler, Readiness } from "@event-ingestion/server";
import type { Caps } from "@event-ingestion/store";

/** What the pages show. */
export interface WebOptions {
  metrics: Metrics;
  readiness: () => Readiness;
  /** What accepted events survive. */
  durability: Caps["durability"];
}

/** The plain paths beside the rpcs: `/`, `/healthz` (the process is alive), `/readyz` (it takes events), `/metrics`. */
export function createWeb({ metrics, readiness, durability }: WebOptions): NodeHandler {
  return servePages({
    "/": () => ({ status: 200, type: "text/html; charset=utf-8", body: startPage }),
    "/healthz": () => textPage(200, "ok"),
    "/readyz": () =>
      readiness().ready ? textPage(200, `ok, durability: ${durability}`) : textPage(503, "not ready"),
    "/metrics": async () => {
      return { status: 200, type: metrics.registry.contentType, body: await metrics.render() };
    },
  });
}

const startPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Event ingestion</title>
<link rel="icon" href="data:,">
<h1>Event ingestion</h1>
<p>The service is up. This build has no dashboard.
<p>Metrics: <a href="/metrics">/metrics</a>. Ready to take events: <a href="/readyz">/readyz</a>.
</html>
`;
