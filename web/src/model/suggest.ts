// Suggests what can follow at the caret of a filter: a field, an operator, a value, or a conjunction.
// Pure. It only looks at the tokens before the caret, because the server parses filters.

import { OPERATORS, OWN_FIELDS, fieldName, isOwn, quote, tokens, unquote, writable } from "./filter";

export interface Suggestion {
  shown: string;
  /** The replacement of the text from `from` to `to`. */
  text: string;
  from: number;
  to: number;
  what: "field" | "operator" | "value" | "";
}

const MOST = 10;
const isWord = (text: string): boolean => /^(?:and|or|not)$/i.test(text);
const isOperator = (text: string): boolean => (OPERATORS as readonly string[]).includes(text.toLowerCase()) || text === "==";

export function suggest(
  filter: string, caret: number, fields: string[], valuesOf: (field: string) => string[],
): Suggestion[] {
  const before = tokens(filter.slice(0, caret));
  const last = before.at(-1);
  // Punctuation ends a token. A word without an end is being typed.
  const typed = last && last.at + last.text.length === caret && !/^[(),]$/.test(last.text) ? last : undefined;
  const done = typed ? before.slice(0, -1) : before;
  const from = typed?.at ?? caret;
  const start = (typed ? unquote(typed.text) : "").toLowerCase();
  const previous = done.at(-1)?.text ?? "";
  const make = (what: Suggestion["what"], list: { shown: string; text: string }[]): Suggestion[] =>
    list
      .filter(({ shown }) => shown.toLowerCase().includes(start) && shown.toLowerCase() !== start)
      .sort((a, b) => Number(b.shown.toLowerCase().startsWith(start)) - Number(a.shown.toLowerCase().startsWith(start)))
      .slice(0, MOST)
      .map(({ shown, text }) => ({ shown, text, from, to: caret, what }));

  const owner = valueField(done.map((token) => token.text));
  if (owner !== undefined) {
    return make("value", valuesOf(owner).filter(writable).map((value) => ({ shown: value, text: quote(value) })));
  }
  if (previous === "" || isWord(previous) || (previous === "(" && !isOperator(done.at(-2)?.text ?? ""))) {
    if (!typed && previous === "" && filter.trim() !== "") return [];
    const names = [...new Set([...OWN_FIELDS, ...fields])];
    return make("field", names.map((name) => ({ shown: name, text: `${isOwn(name) ? name : fieldName(name)} ` })));
  }
  const second = done.at(-2)?.text ?? "";
  if (isWord(previous)) return [];
  if (done.length === 1 || isWord(second) || second === "(") {
    const known = isOwn(previous) || fields.includes(unquote(previous));
    return known ? make("operator", OPERATORS.map((each) => ({ shown: each, text: /^(?:in|intersects|pmatch)$/.test(each) ? `${each} (` : `${each} ` }))) : [];
  }
  return typed ? [] : make("", ["and", "or"].map((each) => ({ shown: each, text: `${each} ` })));
}

/** The field whose value comes next, if one does. */
function valueField(texts: string[]): string | undefined {
  const last = texts.at(-1) ?? "";
  const field = texts.at(-2);
  if (isOperator(last) && !/^(?:in|intersects|pmatch|exists)$/i.test(last) && field !== undefined) return unquote(field);
  const open = texts.lastIndexOf("(");
  if (open < 2 || texts.slice(open).includes(")")) return undefined;
  const operator = texts[open - 1] ?? "";
  if (!/^(?:in|intersects|pmatch)$/i.test(operator)) return undefined;
  return last === "(" || last === "," ? unquote(texts[open - 2] ?? "") : undefined;
}
