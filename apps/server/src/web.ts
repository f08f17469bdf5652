import type { Metrics, NodeHandler, Readiness } from "@event-ingestion/server";

/** The plain paths beside the rpcs. */
export interface WebOptions {
  metrics: Metrics;
  readiness: () => Readiness;
}

/** `/`, `/healthz` (the process is alive), `/readyz` (it takes events) and `/metrics`; 404 for the rest. */
export function createWeb({ metrics, readiness }: WebOptions): NodeHandler {
  return (request, response) => {
    const send = (status: number, type: string, body: string) => {
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const path = (request.url ?? "").split("?", 1)[0];
    if (request.method !== "GET" && request.method !== "HEAD") {
      return path === undefined || !paths.has(path)
        ? send(404, text, "not found\n")
        : send(405, text, "use GET\n");
    }
    switch (path) {
      case "/":
        return send(200, "text/html; charset=utf-8", page);
      case "/healthz":
        return send(200, text, "ok\n");
      case "/readyz": {
        const { ready } = readiness();
        return send(ready ? 200 : 503, text, ready ? "ok\n" : "not ready\n");
      }
      case "/metrics":
        metrics.render().then(
          (body) => send(200, metrics.registry.contentType, body),
          () => send(500, text, "metrics could not be read\n"),
        );
        return undefined;
      default:
        return send(404, text, "not found\n");
    }
  };
}

const paths = new Set(["/", "/healthz", "/readyz", "/metrics"]);
const text = "text/plain; charset=utf-8";

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Event ingestion</title>
<link rel="icon" href="data:,">
<h1>Event ingestion</h1>
<p>The service is up. This build has no dashboard.
<p>Metrics: <a href="/metrics">/metrics</a>. Ready to take events: <a href="/readyz">/readyz</a>.
</html>
`;
