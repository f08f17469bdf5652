import { withoutSecrets } from "@event-ingestion/app-kit/without-secrets";

/** A message of others about what was typed, which in the wrong place may be a URL with a password. */
export function quoteSafely(message: string): string {
  return message
    .replace(/'(.*)'/s, (_, typed: string) => `'${withoutSecrets(typed)}'`)
    .replace(/(?<=but got \d+: )(.*)(?=\.)/s, withoutSecrets);
}
