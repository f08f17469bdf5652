/** Whether this run may take long: `LONG=1`, as on CI. */
export const isLong: boolean = Boolean(process.env["LONG"]);

/** How many rounds of a random test: more where they may take long. */
export function rounds({ short, long }: { short: number; long: number }): number {
  return isLong ? long : short;
}
