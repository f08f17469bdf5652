import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

/** As Node takes them. */
export function nodeHeaders(headers: Headers): OutgoingHttpHeaders {
  const all: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const before = all[name];
    // Only set-cookie comes more than once.
    all[name] = before === undefined ? value : [before, value].flat();
  }
  return all;
}

/** What Node received, without the pseudo header fields of HTTP/2. */
export function webHeaders(received: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const one of [value].flat()) headers.append(name, one);
  }
  return headers;
}
