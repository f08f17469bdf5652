/**
 * The keys of a JSON object with their values as they are written, in order. JSON.parse rounds numbers and drops keys
 * that come twice; here they are all there. `text` must be a valid object.
 */
export function membersOf(text: string): [key: string, source: string][] {
  const members: [string, string][] = [];
  for (let at = text.indexOf("{") + 1; ;) {
    const open = text.indexOf('"', at);
    if (open === -1) return members;
    const colon = text.indexOf(":", stringEnd(text, open));
    const end = valueEnd(text, colon + 1);
    const key: string = JSON.parse(text.slice(open, stringEnd(text, open)));
    members.push([key, text.slice(colon + 1, end).trim()]);
    at = end + 1;
  }
}

/** A string as it is, anything else as it is written. */
export function textOf(source: string): string {
  if (!source.startsWith('"')) return source;
  const text: string = JSON.parse(source);
  return text;
}

/** Behind the string that begins at `open`. */
function stringEnd(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text[before] === "\\") before--;
  return (at - before) % 2 === 0;
}

/** Where the comma or bracket stands that follows the value that begins at `start`. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    switch (text[at]) {
      case '"':
        at = stringEnd(text, at) - 1;
        break;
      case "{":
      case "[":
        depth++;
        break;
      case "}":
      case "]":
        if (depth === 0) return at;
        depth--;
        break;
      case ",":
        if (depth === 0) return at;
        break;
    }
  }
}
