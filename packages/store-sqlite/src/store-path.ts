/** Where the tables of a store are: in the file at that path, or in memory. */
export type StorePath = { file: string } | "memory" | { problem: string };

/** Mistakes of people who know the URLs of other programs, and the correct form. */
const mistakes: readonly (readonly [pattern: RegExp, problem: (rest: string) => string])[] = [
  [/^$/, () => 'must name a file, or :memory:, after "sqlite:"'],
  [/^\s|\s$/, () => "must have no space at the beginning or the end of the path"],
  [/^:/, () => "must be sqlite::memory: for a store in memory, with a colon at the end"],
  [/^\/\//, (rest) => `must have no "//" after "sqlite:": write ${alternatives(rest.replace(/^\/+/, ""))}`],
  [
    /^file:/i,
    (rest) => `must have no "file:" after "sqlite:": write ${alternatives(rest.replace(/^file:\/*/i, ""))}`,
  ],
  [/^~\//, () => 'must name the folder itself: "~" is for shells'],
  [/\?[a-z_]+=[^/]*$/i, (rest) => `takes no parameters: write sqlite:${rest.replace(/\?[^?]*$/, "")}`],
  [/\0/, () => "must have no U+0000"],
];

/** Reads the URL of a store; undefined if it does not begin with "sqlite:". */
export function readStorePath(url: string): StorePath | undefined {
  if (!url.startsWith("sqlite:")) return undefined;
  const rest = url.slice("sqlite:".length);
  if (rest === ":memory:") return "memory";
  const mistake = mistakes.find(([pattern]) => pattern.test(rest));
  return mistake === undefined ? { file: rest } : { problem: mistake[1](rest) };
}

/** What is wrong with a URL that begins with "sqlite:", after the name of what holds it: "must name a file, ..". */
export function findSqliteUrlProblem(url: string): string | undefined {
  const path = readStorePath(url);
  return typeof path === "object" && "problem" in path ? path.problem : undefined;
}

function alternatives(path: string): string {
  return `sqlite:${path} (from the working directory) or sqlite:/${path}`;
}
