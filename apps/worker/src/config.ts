import { readEnvironment } from "@event-ingestion/app-kit/environment";
import {
  type HandlerSettings,
  handlerUsage,
  readHandlerSettings,
} from "@event-ingestion/app-kit/handler-settings";
import { type LogSettings, logUsage, readLogSettings } from "@event-ingestion/app-kit/log";
import { readBaseUrl, readToken } from "@event-ingestion/app-kit/server-address";

/** What the environment asks for, checked and complete. */
export interface Config extends HandlerSettings, LogSettings {
  /** Path of the handlers module. */
  handlers: string;
  /** URL of the server. */
  baseUrl: string;
  /** The credential, sent as a bearer token. */
  token: string | undefined;
  /** Where /healthz, /readyz and /metrics are; undefined: nowhere. */
  health: { host: string; port: number } | undefined;
}

/** The variables with their defaults, for --help. */
export const usage = `event-worker [HANDLERS]: processes the events of a server with the handlers of a module.

Environment:
  HANDLERS             path of the handlers module (the first argument)
  SERVER_ADDRESS       host:port or URL of the server (localhost:50051)
  EVENT_TOKEN          credential for the server (none)
  EVENT_TOKEN_FILE     a file that holds the credential; wins over EVENT_TOKEN
${handlerUsage}
  HEALTH_PORT          port of /healthz, /readyz and /metrics, 0 for any free one (none)
  HOST                 address that HEALTH_PORT listens on (127.0.0.1)
${logUsage}
`;

/** What servers take. */
const lease = { min: 5000, max: 600_000 };

/** @throws ConfigError naming each variable, what was wrong and what was expected. */
export function readConfig(
  variables: NodeJS.ProcessEnv,
  { args, isTty }: { args: readonly string[]; isTty: boolean },
): Config {
  const env = readEnvironment(variables);
  const handlers = env.text("HANDLERS") ?? args[0] ?? "";
  if (handlers === "") env.wrong("HANDLERS, or the first argument, must be the path of a handlers module");
  const config: Config = {
    handlers,
    baseUrl: readBaseUrl("SERVER_ADDRESS", env.text("SERVER_ADDRESS") ?? "localhost:50051", env),
    token: readToken(env),
    ...readLogSettings(env, isTty),
    ...readHandlerSettings(env, lease),
    health: undefined,
  };
  if (env.text("HEALTH_PORT") !== undefined) {
    const port = env.integer("HEALTH_PORT", 0, { min: 0, max: 65_535 });
    config.health = { host: env.text("HOST") ?? "127.0.0.1", port };
  }
  env.done();
  return config;
}
