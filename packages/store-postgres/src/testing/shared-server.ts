import { expect, inject, test } from "vitest";

/**
 * The URL of this run's server of that version. Where the machine has none, a test takes the place of those that need it: it
 * is reported as skipped, and fails on CI, which must have all versions.
 */
export function sharedServer(major: number): string | undefined {
  const url = inject("postgres")[major];
  if (url === undefined) declareMissing(major);
  return url;
}

function declareMissing(major: number): void {
  test(`Postgres ${major} is installed`, ({ skip }) => {
    if (!process.env["CI"]) skip(`Postgres ${major} is not installed`);
    expect(inject("postgres")).toHaveProperty(String(major));
  });
}
