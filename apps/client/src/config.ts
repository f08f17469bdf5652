import { readEnvironment } from "@event-ingestion/app-kit/environment";
import { readBaseUrl, readToken } from "@event-ingestion/app-kit/server-address";
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
    token: readToken(readEnvironment(env, (problem) => reader.wrong(problem))),
  };
}
