/**
 * A text that somebody typed, for a message, without parts that may be a password: everything up to the last @, and everything
 * from a question mark or a number sign on.
 */
export function withoutSecrets(typed: string): string {
  return typed.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, "$1***@").replace(/([?#]).*$/s, "$1***");
}
