import { withoutSecrets } from "@event-ingestion/app-kit/without-secrets";
import { usageFailure } from "./failure.ts";

/** Reads options given as text, and collects what is wrong with them. */
export interface OptionReader {
  /** A whole number; the fallback if it is not given or wrong. */
  integer<T>(
    name: string,
    text: string | undefined,
    limits: { min: number; max: number; fallback: T },
  ): number | T;
  /** One of a few words. */
  choice<T extends string>(name: string, text: string | undefined, words: readonly T[], fallback: T): T;
  /** "500ms", "30s", "2m", "1h", or a number of seconds, in ms; undefined if it is not given or wrong. */
  duration(name: string, text: string | undefined): number | undefined;
  /** "500/s", "500/m", "500/h", or a number a second, as events a second; undefined if it is not given or wrong. */
  rate(name: string, text: string | undefined): number | undefined;
  /** One character that may stand between the fields of CSV, or "tab"; undefined if it is not given or wrong. */
  character(name: string, text: string | undefined): string | undefined;
  wrong(message: string): void;
  /** @throws Failure with every mistake, one a line. */
  done(): void;
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The longest a timer can wait, in ms. */
const maxDurationMs = 2 ** 31 - 1;

/** A reader that has found nothing wrong yet. */
export function createOptionReader(): OptionReader {
  const mistakes: string[] = [];
  const wrong = (message: string) => void mistakes.push(message);
  return {
    integer(name, text, { min, max, fallback }) {
      if (text === undefined) return fallback;
      const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      wrong(`${name} must be a whole number from ${min} to ${max}, got "${withoutSecrets(text)}"`);
      return fallback;
    },
    choice(name, text, words, fallback) {
      if (text === undefined) return fallback;
      const word = words.find((candidate) => candidate === text);
      if (word === undefined)
        wrong(`${name} must be one of ${words.join(", ")}, got "${withoutSecrets(text)}"`);
      return word ?? fallback;
    },
    duration(name, text) {
      if (text === undefined) return undefined;
      const [, amount = "", unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
      const ms = Math.round(Number(amount) * (unitMs[unit] ?? Number.NaN));
      if (ms >= 1 && ms <= maxDurationMs) return ms;
      wrong(`${name} must be a duration such as 500ms, 30s or 2m, up to 596h, got "${withoutSecrets(text)}"`);
      return undefined;
    },
    rate(name, text) {
      if (text === undefined) return undefined;
      const [, amount = "", unit = "s"] = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/.exec(text) ?? [];
      const perSecond = (Number(amount) * 1000) / (unitMs[unit] ?? Number.NaN);
      if (perSecond > 0) return perSecond;
      wrong(`${name} must be a rate such as 500/s or 1000/m, got "${withoutSecrets(text)}"`);
      return undefined;
    },
    character(name, text) {
      if (text === undefined) return undefined;
      if (text === "tab" || text === "\\t" || text === "\t") return "\t";
      if (/^[\x21-\x7e]$/.test(text) && text !== '"') return text;
      wrong(`${name} must be one ASCII character such as ";", or tab, got "${withoutSecrets(text)}"`);
      return undefined;
    },
    wrong,
    done() {
      if (mistakes.length > 0) throw usageFailure(mistakes.join("\n"));
    },
  };
}
