import type { NodeHandler } from "@event-ingestion/server";

/** The answer to a GET. */
export interface Page {
  status: number;
  type: string;
  body: string;
}

/** Answers GET and HEAD of these paths; 405 for other methods, 404 for other paths, 500 for a page that throws. */
export function servePages(pages: Record<string, () => Page | Promise<Page>>): NodeHandler {
  const byPath = new Map(Object.entries(pages));
  return (request, response) => {
    const send = ({ status, type, body }: Page) => {
      response.writeHead(status, {
        "content-type": type,
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    };
    const page = byPath.get((request.url ?? "").replace(/\?.*/s, ""));
    if (page === undefined) return send(textPage(404, "not found"));
    if (request.method !== "GET" && request.method !== "HEAD") return send(textPage(405, "use GET"));
    void Promise.resolve()
      .then(page)
      .then(send, () => send(textPage(500, "this page could not be made")));
  };
}

/** A page of one line of text. */
export function textPage(status: number, line: string): Page {
  return { status, type: "text/plain; charset=utf-8", body: `${line}\n` };
}
