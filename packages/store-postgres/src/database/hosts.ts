import { invalid } from "@event-ingestion/store";

/** One server of a URL. */
export interface Host {
  /** For messages: host and database, no credentials. */
  name: string;
  /** The URL with this host only. */
  url: string;
}

const example = "postgres://USER:PASSWORD@HOST:PORT/DATABASE, or several HOST:PORT with commas between";

/**
 * The servers that a URL names, in its order. The driver takes one host only.
 *
 * @throws StoreError invalid
 */
export function parseHosts(url: string): Host[] {
  const [, scheme, authority, rest = ""] = /^(postgres(?:ql)?:\/\/)([^/?#]*)(.*)$/s.exec(url) ?? [];
  if (scheme === undefined || authority === undefined) throw invalid(`a store URL is ${example}`);
  const end = authority.lastIndexOf("@") + 1;
  const [credentials, hosts] = [authority.slice(0, end), authority.slice(end)];
  return hosts.split(",").map((host) => {
    const one = `${scheme}${credentials}${host}${rest}`;
    if (!URL.canParse(one)) throw invalid(`the store URL is malformed; it is ${example}`);
    return { name: `Postgres at ${host || "localhost"}${decodeURI(new URL(one).pathname)}`, url: one };
  });
}
