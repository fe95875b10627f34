// An alert's JSON as people read it: indented, a line for each member. Pure. Numbers are not read,
// so that they stay as they came. The only line breaks in what it gives are its own: one within a
// string, which JSON does not allow, is shown by its mark.

import { visible } from "./visible";

const TOKEN = /"(?:[^"\\]|\\[\s\S])*"?|[{}[\],:]|[^"{}[\],:\s]+/g;

export function pretty(json: string): string {
  const tokens = json.match(TOKEN) ?? [];
  let depth = 0;
  let out = "";
  tokens.forEach((token, at) => {
    const next = tokens[at + 1] ?? "";
    const before = tokens[at - 1] ?? "";
    const line = (): string => `\n${"  ".repeat(Math.max(0, depth))}`;
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + (next === "}" || next === "]" ? "" : line());
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out += (before === "{" || before === "[" ? "" : line()) + token;
    } else if (token === ",") out += `,${line()}`;
    else if (token === ":") out += ": ";
    else out += token.includes("\n") ? token.replaceAll("\n", visible) : token;
  });
  return out;
}
