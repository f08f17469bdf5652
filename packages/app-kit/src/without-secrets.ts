/**
 * What somebody typed, for a message: without anything that may be a password. Up to the last @ may be one, encoded or not,
 * and so may what follows a question mark or a number sign.
 */
export function withoutSecrets(typed: string): string {
  return typed.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1***@").replace(/([?#]).*$/s, "$1***");
}
