import { readFileSync } from "node:fs";
import { withoutSecrets } from "./without-secrets.ts";

/** Every problem of the environment at once, one a line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Reads variables, and collects what is wrong with them. An empty variable counts as not set. */
export interface Environment {
  text(name: string): string | undefined;
  /** A whole number; the fallback if it is not set or wrong. */
  integer(name: string, fallback: number, limits: { min: number; max: number }): number;
  /** One of a few words; the fallback if it is not set or wrong. */
  choice<T extends string>(name: string, fallback: T, words: readonly T[]): T;
  /** What the file that the variable names holds, without white space around it; undefined if not set or wrong. */
  file(name: string): string | undefined;
  wrong(problem: string): void;
  /** @throws ConfigError with every problem. */
  done(): void;
}

/** `hear` gets each problem; without it, `done` throws them. */
export function readEnvironment(env: NodeJS.ProcessEnv, hear?: (problem: string) => void): Environment {
  const problems: string[] = [];
  const wrong = hear ?? ((problem: string) => void problems.push(problem));
  const text = (name: string) => env[name] || undefined;
  return {
    text,
    integer(name, fallback, { min, max }) {
      const given = text(name);
      if (given === undefined) return fallback;
      const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
      if (value >= min && value <= max) return value;
      wrong(`${name} must be a whole number from ${min} to ${max}, got "${withoutSecrets(given)}"`);
      return fallback;
    },
    choice(name, fallback, words) {
      const given = text(name);
      if (given === undefined) return fallback;
      const word = words.find((candidate) => candidate === given);
      if (word === undefined)
        wrong(`${name} must be one of ${words.join(", ")}, got "${withoutSecrets(given)}"`);
      return word ?? fallback;
    },
    file(name) {
      const path = text(name);
      if (path === undefined) return undefined;
      try {
        return readFileSync(path, "utf8").trim();
      } catch (error) {
        const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
        wrong(`${name} must name a readable file, got "${withoutSecrets(path)}" (${reason})`);
        return undefined;
      }
    },
    wrong,
    done() {
      if (problems.length > 0) throw new ConfigError(problems.join("\n"));
    },
  };
}
