import { readEnvironment } from "@event-ingestion/app-kit/environment";
import {
  type HandlerSettings,
  handlerUsage,
  readHandlerSettings,
} from "@event-ingestion/app-kit/handler-settings";
import { type LogSettings, logUsage, readLogSettings } from "@event-ingestion/app-kit/log";
import { defaultConnections, readStoreUrl } from "@event-ingestion/app-kit/store-url";

/** What the environment asks for, checked and complete. */
export interface Config extends HandlerSettings, LogSettings {
  host: string;
  port: number;
  storeUrl: string;
  /** Connections to a store that is a database. */
  storeConnections: number;
  /** Path of a handlers module to run in this process; undefined: remote workers only. */
  handlers: string | undefined;
  maxAttempts: number;
  /** Jobs that may wait in the store. */
  maxQueuedJobs: number;
  /** Connections of clients at once. */
  maxConnections: number;
  /** How long it goes on taking requests once /readyz has said no, so that a balancer can look elsewhere. */
  lameDuckMs: number;
}

/** The variables with their defaults, for --help. */
export const usage = `event-server: accepts events over gRPC, gRPC-Web and Connect on one port and stores them.

Environment:
  HOST                 address to listen on (127.0.0.1)
  PORT                 port to listen on, 0 for any free one (50051)
  STORE_URL            sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST:PORT/DATABASE
                       (sqlite:./data/events.db)
  STORE_URL_FILE       a file that holds the store's URL; wins over STORE_URL
  STORE_CONNECTIONS    connections to Postgres, 2 to 200 (10)
  HANDLERS             path of a handlers module to run in this process (none)
  MAX_ATTEMPTS         attempts that a job gets, 1 to 1000 (12)
  MAX_QUEUED_JOBS      jobs that may wait; then new events are refused (2000000)
  MAX_CONNECTIONS      connections at once; then only probes are answered (2000)
${handlerUsage}
  LAME_DUCK_MS         how long a stopping server goes on taking requests after /readyz says no (0)
${logUsage}
`;

/** @throws ConfigError naming each variable, what was wrong and what was expected. */
export function readConfig(variables: NodeJS.ProcessEnv, isTty: boolean): Config {
  const env = readEnvironment(variables);
  const config: Config = {
    host: env.text("HOST") ?? "127.0.0.1",
    port: env.integer("PORT", 50051, { min: 0, max: 65_535 }),
    storeUrl: readStoreUrl(env) ?? "sqlite:./data/events.db",
    storeConnections: env.integer("STORE_CONNECTIONS", defaultConnections, { min: 2, max: 200 }),
    handlers: env.text("HANDLERS"),
    maxAttempts: env.integer("MAX_ATTEMPTS", 12, { min: 1, max: 1000 }),
    maxQueuedJobs: env.integer("MAX_QUEUED_JOBS", 2_000_000, { min: 1, max: 1_000_000_000 }),
    maxConnections: env.integer("MAX_CONNECTIONS", 2000, { min: 1, max: 1_000_000 }),
    ...readLogSettings(env, isTty),
    ...readHandlerSettings(env, { min: 1000, max: 3_600_000 }),
    // With the grace time of 5 s after it, still within the hard limit of 25 s.
    lameDuckMs: env.integer("LAME_DUCK_MS", 0, { min: 0, max: 20_000 }),
  };
  env.done();
  return config;
}
