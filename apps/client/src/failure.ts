/** What the process ends with. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  rejected: 2,
  notFound: 3,
  usage: 4,
  unavailable: 5,
  interrupted: 130,
} as const;

/** What went wrong in one line (or one line a mistake), what to do about it in another. */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: number;
  readonly hint: string;

  constructor(message: string, { exitCode, hint }: { exitCode: number; hint: string }) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** A mistake in how the command was called. */
export function usageFailure(message: string, hint = "see event --help"): Failure {
  return new Failure(message, { exitCode: exitCodes.usage, hint });
}
