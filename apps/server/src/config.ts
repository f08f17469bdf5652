import { readFileSync } from "node:fs";

/** What the environment asks for, checked and complete. */
export interface Config {
  host: string;
  port: number;
  storeUrl: string;
  /** Path of a handlers module to run in this process; undefined: remote workers only. */
  handlers: string | undefined;
  maxAttempts: number;
  logLevel: LogLevel;
  logFormat: "json" | "pretty";
  concurrency: number;
  retryBaseMs: number;
  retryMaxMs: number;
  leaseMs: number;
  handlerTimeoutMs: number;
  /** How long it goes on taking requests once /readyz has said no, so that a balancer can look elsewhere. */
  lameDuckMs: number;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
type LogLevel = (typeof logLevels)[number];

/** The variables with their defaults, for --help. */
export const usage = `event-server: accepts events over gRPC, gRPC-Web and Connect on one port and stores them.

Environment:
  HOST                 address to listen on (127.0.0.1)
  PORT                 port to listen on, 0 for any free one (50051)
  STORE_URL            sqlite:PATH or sqlite::memory: (sqlite:./data/events.db)
  STORE_URL_FILE       a file that holds the store's URL; wins over STORE_URL
  HANDLERS             path of a handlers module to run in this process (none)
  MAX_ATTEMPTS         attempts that a job gets, 1 to 1000 (12)
  CONCURRENCY          handlers that run at once (64)
  RETRY_BASE_MS        delay before the second attempt, doubled for each further one (1000)
  RETRY_MAX_MS         longest delay between two attempts (3600000)
  LEASE_MS             how long a worker may be silent before its jobs run elsewhere (30000)
  HANDLER_TIMEOUT_MS   how long one attempt may take (900000)
  LAME_DUCK_MS         how long a stopping server goes on taking requests after /readyz says no (0)
  LOG_LEVEL            ${logLevels.join(", ")} (info)
  LOG_FORMAT           json or pretty (pretty on a terminal, else json)
`;

/** Every problem of the environment at once, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** @throws ConfigError naming each variable, what was wrong and what was expected. */
export function readConfig(env: NodeJS.ProcessEnv, isTty: boolean): Config {
  const problems: string[] = [];
  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    problems.push(`${name} must be a whole number from ${min} to ${max}, got "${text}"`);
    return fallback;
  };
  const choice = <T extends string>(name: string, fallback: T, allowed: readonly T[]): T => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = allowed.find((candidate) => candidate === text);
    if (value !== undefined) return value;
    problems.push(`${name} must be one of ${allowed.join(", ")}, got "${text}"`);
    return fallback;
  };

  const config: Config = {
    host: env.HOST || "127.0.0.1",
    port: integer("PORT", 50051, 0, 65_535),
    storeUrl: readStoreUrl(env, problems),
    handlers: env.HANDLERS || undefined,
    maxAttempts: integer("MAX_ATTEMPTS", 12, 1, 1000),
    logLevel: choice("LOG_LEVEL", "info", logLevels),
    logFormat: choice("LOG_FORMAT", isTty ? "pretty" : "json", ["json", "pretty"]),
    concurrency: integer("CONCURRENCY", 64, 1, 10_000),
    retryBaseMs: integer("RETRY_BASE_MS", 1000, 1, 86_400_000),
    retryMaxMs: integer("RETRY_MAX_MS", 3_600_000, 1, 30 * 86_400_000),
    leaseMs: integer("LEASE_MS", 30_000, 1000, 3_600_000),
    handlerTimeoutMs: integer("HANDLER_TIMEOUT_MS", 900_000, 1, 86_400_000),
    // With the grace time of 5 s after it, still within the hard limit of 25 s.
    lameDuckMs: integer("LAME_DUCK_MS", 0, 0, 20_000),
  };
  if (config.retryMaxMs < config.retryBaseMs) {
    problems.push(
      `RETRY_MAX_MS must be at least RETRY_BASE_MS (${config.retryBaseMs}), got "${config.retryMaxMs}"`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return config;
}

function readStoreUrl(env: NodeJS.ProcessEnv, problems: string[]): string {
  const path = env.STORE_URL_FILE;
  if (path === undefined || path === "") return env.STORE_URL || "sqlite:./data/events.db";
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    problems.push(
      `STORE_URL_FILE must name a readable file, got "${path}" (${error instanceof Error && "code" in error ? String(error.code) : String(error)})`,
    );
    return "";
  }
}
