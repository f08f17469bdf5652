import type { Environment } from "./environment.ts";
import { withoutSecrets } from "./without-secrets.ts";

/** The URL of a server that was given as host:port or as a URL. `name` is where it was given. */
export function readBaseUrl(name: string, address: string, { wrong }: Pick<Environment, "wrong">): string {
  const text = address.includes("://") ? address : `http://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const hasPort = address.includes("://") || /:\d+$/.test(address);
  // With an @ anywhere a part of a password may be taken for the host or the path.
  if (url !== undefined && hasPort && /^https?:$/.test(url.protocol) && !/[@?#]/.test(address)) {
    return url.href.replace(/\/$/, "");
  }
  wrong(`${name} must be host:port or an http(s) URL, got "${withoutSecrets(address)}"`);
  return "";
}

/** The credential in EVENT_TOKEN, or in the file that EVENT_TOKEN_FILE names, which wins. It is never shown. */
export function readToken(env: Pick<Environment, "text" | "file" | "wrong">): string | undefined {
  const name = env.text("EVENT_TOKEN_FILE") === undefined ? "EVENT_TOKEN" : "EVENT_TOKEN_FILE";
  const token = name === "EVENT_TOKEN" ? env.text(name) : env.file(name);
  if (token !== undefined && token !== "" && !/^[\x21-\x7e]+$/.test(token)) {
    env.wrong(`${name} must hold one word of ASCII, got something else`);
  }
  return token || undefined;
}
