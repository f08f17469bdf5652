import type { NodeRequest } from "../node-handler.ts";

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/is;

/**
 * Makes a request target in absolute form, as clients send it to a proxy, one in origin form. Its authority counts then,
 * whatever the Host field says (RFC 9112, 3.2.2).
 */
export function useOriginForm(request: NodeRequest): void {
  // Almost all requests.
  if (request.url?.startsWith("/") !== false) return;
  const [, authority, rest = ""] = absoluteForm.exec(request.url) ?? [];
  if (authority === undefined) return;
  request.headers.host = authority;
  request.url = rest.startsWith("/") ? rest : `/${rest}`;
}
