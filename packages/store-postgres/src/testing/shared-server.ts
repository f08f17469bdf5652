import { inject, test } from "vitest";

/**
 * The URL of this run's server of that version. Where the machine has none, a test takes the place of those that need it: it
 * is reported as skipped, and fails on CI, which must have all versions.
 */
export function sharedServer(major: number): string | undefined {
  const url = inject("postgres")[major];
  if (url === undefined) declareMissing(`Postgres ${major} is not installed`);
  return url;
}

function declareMissing(reason: string): void {
  // oxlint-disable-next-line vitest/expect-expect, vitest/valid-title -- it stands for tests that cannot run
  test(reason, ({ skip }) => {
    if (process.env["CI"]) throw new Error(reason);
    skip(reason);
  });
}
