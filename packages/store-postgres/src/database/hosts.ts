import { invalid } from "@event-ingestion/store";

/** One server of a URL. */
export interface Host {
  /** For messages: host and database, no credentials. */
  name: string;
  /** The URL with this host only, as the driver reads it. */
  url: string;
}

const example = "postgres://USER:PASSWORD@HOST:PORT/DATABASE, or several HOST:PORT with commas between";
const encoding = "write %40 for @, %2F for /, %3F for ?, %23 for # and %25 for %";

/**
 * The servers that a URL names, in its order. The driver takes one host only. Nothing of a URL that is refused is shown, nor
 * is any of it looked up: it may be a part of the password.
 *
 * @throws StoreError invalid
 */
export function parseHosts(url: string): Host[] {
  const [, scheme, authority, rest = ""] = /^(postgres(?:ql)?:\/\/)([^/?#]*)(.*)$/s.exec(url) ?? [];
  if (scheme === undefined || authority === undefined) throw invalid(`a store URL is ${example}`);
  refuseUnencoded(url, rest);
  const end = authority.lastIndexOf("@") + 1;
  const [credentials, hosts] = [authority.slice(0, end), authority.slice(end)];
  return hosts.split(",").map((host) => {
    const one = `${scheme}${credentials}${host}${rest}`;
    if (!URL.canParse(one)) throw invalid(`the store URL is malformed; it is ${example}`);
    const parsed = new URL(one);
    verifyWithTls(parsed);
    return { name: `Postgres at ${host || "localhost"}${decodeURI(parsed.pathname)}`, url: parsed.href };
  });
}

/** A / ? or # in a password ends the authority too early; the @ that should end it then comes later in the URL. */
function refuseUnencoded(url: string, rest: string): void {
  if (/[@#]/.test(rest)) {
    throw invalid(
      `the store URL has an @ or a # behind HOST:PORT: encode user, password, database and values, ${encoding}`,
    );
  }
  try {
    decodeURIComponent(url);
  } catch {
    throw invalid(`the store URL has a % that begins no character: encode it, ${encoding}`);
  }
}

/** Every mode that asks for TLS verifies the server. The driver does so, too, but warns that this may change. */
function verifyWithTls({ searchParams }: URL): void {
  const isLibpq = searchParams.get("uselibpqcompat") === "true";
  const mode = searchParams.get("sslmode") ?? "";
  if (!isLibpq && ["prefer", "require", "verify-ca"].includes(mode))
    searchParams.set("sslmode", "verify-full");
}
