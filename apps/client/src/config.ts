import { readFileSync } from "node:fs";
import type { OptionReader } from "./option-reader.ts";

/** What all commands have in common, checked and complete. */
export interface Config {
  /** The server as the user named it. */
  address: string;
  baseUrl: string;
  protocol: (typeof protocols)[number];
  output: (typeof outputs)[number];
  /** How long a call may take, in ms; undefined: as long as is usual for the command. */
  timeoutMs: number | undefined;
  /** Say nothing but results and errors. */
  quiet: boolean;
  /** The credential, sent as a bearer token. */
  token: string | undefined;
}

/** The options that every command takes, as they are given. */
export interface GlobalFlags {
  server?: string;
  protocol?: string;
  output?: string;
  timeout?: string;
  quiet?: boolean;
}

const protocols = ["grpc", "connect", "grpc-web"] as const;
const outputs = ["text", "json", "jsonl"] as const;

/** An option wins over its variable. Mistakes go to the reader; nothing else reads the environment. */
export function readConfig(
  flags: GlobalFlags,
  reader: OptionReader,
  { env = process.env, isTty = process.stdout.isTTY }: { env?: NodeJS.ProcessEnv; isTty?: boolean } = {},
): Config {
  const address = flags.server ?? (env.SERVER_ADDRESS || "localhost:50051");
  const name = flags.server === undefined ? "SERVER_ADDRESS" : "--server";
  return {
    address,
    baseUrl: readBaseUrl(name, address, reader),
    protocol: reader.choice("--protocol", flags.protocol, protocols, "grpc"),
    output: reader.choice("--output", flags.output, outputs, isTty ? "text" : "jsonl"),
    timeoutMs: reader.duration("--timeout", flags.timeout),
    quiet: flags.quiet ?? false,
    token: readToken(env, reader),
  };
}

function readBaseUrl(name: string, address: string, reader: OptionReader): string {
  const text = address.includes("://") ? address : `http://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const hasPort = address.includes("://") || /:\d+$/.test(address);
  if (
    url !== undefined &&
    hasPort &&
    /^https?:$/.test(url.protocol) &&
    url.username === "" &&
    url.search === ""
  ) {
    return url.href.replace(/\/$/, "");
  }
  reader.wrong(`${name} must be host:port or an http(s) URL, got "${address}"`);
  return "";
}

function readToken(env: NodeJS.ProcessEnv, reader: OptionReader): string | undefined {
  const path = env.EVENT_TOKEN_FILE;
  let token = env.EVENT_TOKEN;
  if (path) {
    try {
      token = readFileSync(path, "utf8").trim();
    } catch (error) {
      const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
      reader.wrong(`EVENT_TOKEN_FILE must name a readable file, got "${path}" (${reason})`);
      return undefined;
    }
  }
  if (!token) return undefined;
  // The token itself is never shown.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    reader.wrong(
      `${path ? "EVENT_TOKEN_FILE" : "EVENT_TOKEN"} must hold one word of ASCII, got something else`,
    );
  }
  return token;
}
