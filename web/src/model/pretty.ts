// Indents an alert's JSON, one member a line. Pure. Numbers are not parsed, so that they do not change. The
// output has no other line breaks: one in a string, which JSON does not allow, is shown as a mark.

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
