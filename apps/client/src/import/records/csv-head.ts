import { usageFailure } from "../../failure.ts";

/** What divides the fields. */
export interface CsvOptions {
  /** One character. */
  delimiter: string;
  /** Whether the user said so; else a head line that looks divided by something else is refused. */
  delimiterGiven: boolean;
}

/** A line as it is written, and its fields; undefined: they are not UTF-8. */
export interface HeadLine {
  /** One unit a byte. */
  text: string;
  fields: string[] | undefined;
}

const delimiters = [",", ";", "\t", "|"];

/** As --delimiter takes it. */
const word = (delimiter: string) => (delimiter === "\t" ? "tab" : `"${delimiter}"`);

/**
 * Whether the first line is the one by which spreadsheets say what divides the fields, and not the head.
 *
 * @throws Failure if it says something else than the options do.
 */
export function isDelimiterLine({ text }: HeadLine, { delimiter }: CsvOptions): boolean {
  const said = /^"?sep=(.)"?$/i.exec(text)?.[1];
  if (said === undefined || said === delimiter) return said !== undefined;
  throw usageFailure(
    `line 1 says that ${word(said)} divides the fields, not ${word(delimiter)}`,
    `confirm it with --delimiter ${word(said)}, or delete the line`,
  );
}

/** The names of the columns. @throws Failure if they do not look like names, or may be divided in another way */
export function readHead({ text, fields }: HeadLine, line: number, options: CsvOptions): string[] {
  const problem = findProblem(text, fields);
  if (problem !== undefined) throw usageFailure(`line ${line}: ${problem[0]}`, problem[1]);
  const names = fields ?? [];
  if (options.delimiterGiven) return names;

  const unquotedText = unquoted(text);
  const count = (delimiter: string) => unquotedText.split(delimiter).length - 1;
  const used = count(options.delimiter);
  const other = delimiters.find((one) => one !== options.delimiter && count(one) > 0 && count(one) >= used);
  if (other === undefined) return names;
  throw usageFailure(
    `line ${line} has ${used} times ${word(options.delimiter)} and ${count(other)} times ${word(other)}: which one divides the fields?`,
    `say so with --delimiter ${word(other)} or --delimiter ${word(options.delimiter)}`,
  );
}

/** A line without what stands in quotes. */
export function unquoted(text: string): string {
  return text.replaceAll(/"[^"]*"/g, "");
}

/** A CR that ends no line. */
export const loneCr = /\r(?!\n)/;

function findProblem(text: string, names: string[] | undefined): [what: string, hint: string] | undefined {
  if (names === undefined) {
    return ["the names must be UTF-8", "convert the file, as with iconv -f WINDOWS-1252 -t UTF-8"];
  }
  if (loneCr.test(unquoted(text))) {
    return ["lines must end in LF or CR LF, got CR", "convert the file, as with tr '\\r' '\\n'"];
  }
  if (names.some((name) => /[^\P{Cc}\t\r\n]/u.test(name))) {
    return ["the names hold control characters", "the file must be CSV in UTF-8; is it UTF-16, or no text?"];
  }
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice === undefined) return undefined;
  return [`the name "${twice}" is there twice`, "the first line of a CSV file must name its columns"];
}
