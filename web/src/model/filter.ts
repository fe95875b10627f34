// The text of a filter: quoting, and adding or removing terms by a click. It does not validate filters.
// The server parses them, and reports mistakes with the column.

/** The fields of an alert. Every other name is an output field. */
export const OWN_FIELDS = ["priority", "rule", "source", "hostname", "tags", "output", "time"] as const;

export const OPERATORS = [
  "=", "!=", "<", "<=", ">", ">=", "contains", "icontains", "bcontains", "startswith", "endswith",
  "glob", "regex", "in", "intersects", "pmatch", "exists",
] as const;

const WORDS = new Set(["and", "or", "not", ...OPERATORS.filter((each) => /^[a-z]/.test(each))]);
const BARE_VALUE = /^[\w./:@%+*~^$#-]+$/;
const BARE_FIELD = /^[A-Za-z_][\w.-]*(\[[\w.:-]+\])?[\w.-]*$/;

/** Writes a value: bare if that means the same, otherwise quoted. */
export function quote(value: string): string {
  if (BARE_VALUE.test(value) && !WORDS.has(value.toLowerCase())) return value;
  return quoteAlways(value);
}

/** Writes a field name. `own` means a field of the alert; an output field of the same name is quoted. */
export function fieldName(field: string, own = isOwn(field)): string {
  if (own) return field;
  const bare = BARE_FIELD.test(field) && field.includes(".") && !WORDS.has(field.toLowerCase());
  return bare ? field : quoteAlways(field);
}

export function isOwn(field: string): boolean {
  return (OWN_FIELDS as readonly string[]).includes(field);
}

/** Whether a filter can contain this value. Control characters are not allowed. */
export function writable(value: string): boolean {
  return value.length <= 2048 && !/[\u0000-\u001f\u007f-\u009f]/.test(value);
}

/** The terms of the outermost `and`, as text. A filter with an outermost `or` is one term. */
export function terms(filter: string): string[] {
  const found: string[] = [];
  let start = 0;
  let depth = 0;
  for (const token of tokens(filter)) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    else if (depth === 0 && /^or$/i.test(token.text)) return [filter.trim()];
    else if (depth === 0 && /^and$/i.test(token.text)) {
      found.push(filter.slice(start, token.at).trim());
      start = token.at + token.text.length;
    }
  }
  found.push(filter.slice(start).trim());
  return found.filter((term) => term !== "");
}

export function joined(parts: string[]): string {
  return parts.join(" and ");
}

export function without(filter: string, term: string): string {
  return joined(terms(filter).filter((each) => each !== term));
}

export interface Simple {
  not: boolean;
  field: string;
  values: string[];
}

/** Parses a term that a click creates: `f = v`, `f in (v, w)`, both with or without `not`. Otherwise undefined. */
export function simple(term: string): Simple | undefined {
  const list = tokens(term);
  const not = /^not$/i.test(list[0]?.text ?? "");
  if (not) list.shift();
  const [field, operator, ...rest] = list;
  if (field === undefined || operator === undefined) return undefined;
  const name = isQuoted(field.text) ? `"${unquote(field.text)}"` : field.text;
  if (operator.text === "=" || operator.text === "==") {
    return rest.length === 1 && rest[0] ? { not, field: name, values: [unquote(rest[0].text)] } : undefined;
  }
  if (!/^in$/i.test(operator.text) || rest[0]?.text !== "(" || rest.at(-1)?.text !== ")") return undefined;
  const inner = rest.slice(1, -1).filter((token) => token.text !== ",");
  if (inner.some((token) => token.text === "(" || token.text === ")")) return undefined;
  return { not, field: name, values: inner.map((token) => unquote(token.text)) };
}

export function written({ not, field, values }: Simple): string {
  const start = not ? `not ${field}` : field;
  if (values.length === 1) return `${start} = ${quote(values[0] ?? "")}`;
  return `${start} in (${values.map(quote).join(", ")})`;
}

/** The filter with one more term. */
export function also(filter: string, term: string): string {
  const parts = terms(filter).map(bracketed);
  return parts.includes(term) ? joined(parts) : joined([...parts, term]);
}

/** The filter with one more term, or without it if the filter has it. */
export function toggleTerm(filter: string, term: string): string {
  return terms(filter).includes(term) ? without(filter, term) : also(filter, term);
}

/** The filter, narrowed to this value of the field. It replaces the field's wider terms. */
export function narrowed(filter: string, field: string, value: string): string {
  if (value === "" && isOwn(field)) return also(filter, `not ${field} exists`);
  const name = fieldName(field);
  const wider = (part: string): boolean => {
    const term = simple(part);
    return term !== undefined && !term.not && term.field === name && term.values.includes(value);
  };
  const parts = terms(filter).map(bracketed).filter((part) => !wider(part));
  return joined([...parts, written({ not: false, field: name, values: [value] })]);
}

/** The filter with one more included value, or with `not` one more excluded value. */
export function add(filter: string, field: string, value: string, not = false): string {
  const name = fieldName(field);
  const parts = terms(filter).map(bracketed);
  // An alert has several tags, so one more tag narrows, while one more process name widens.
  if (field === "tags" && !not) return also(filter, written({ not, field: name, values: [value] }));
  const at = parts.findIndex((part) => {
    const term = simple(part);
    return term !== undefined && term.field === name && term.not === not;
  });
  const term = at < 0 ? undefined : simple(parts[at] ?? "");
  if (term === undefined) return joined([...parts, written({ not, field: name, values: [value] })]);
  if (!term.values.includes(value)) term.values.push(value);
  parts[at] = written(term);
  return joined(parts);
}

/** The filter without this value. A term without values is removed. */
export function remove(filter: string, field: string, value: string, not = false): string {
  const name = fieldName(field);
  return joined(terms(filter).flatMap((part) => {
    const term = simple(part);
    if (term === undefined || term.field !== name || term.not !== not) return [part];
    const values = term.values.filter((each) => each !== value);
    return values.length === 0 ? [] : [written({ ...term, values })];
  }));
}

export function toggle(filter: string, field: string, value: string, not = false): string {
  return chosen(filter, field, value) === (not ? "not" : "yes")
    ? remove(filter, field, value, not)
    : add(remove(filter, field, value, !not), field, value, not);
}

/** Whether the filter includes or excludes this value by a click. */
export function chosen(filter: string, field: string, value: string): "yes" | "not" | "" {
  const name = fieldName(field);
  for (const part of terms(filter)) {
    const term = simple(part);
    if (term?.field === name && term.values.includes(value)) return term.not ? "not" : "yes";
  }
  return "";
}

/** The filter with this minimum priority, as the keys 1 to 8 set it. */
export function threshold(filter: string, priority: string): string {
  const rest = terms(filter).map(bracketed).filter((part) => !/^priority\s*>=/i.test(part));
  return joined([...rest, `priority >= ${priority.toLowerCase()}`]);
}

/** Puts a term with an outermost `or` into brackets, so that another term can follow. */
function bracketed(term: string): string {
  let depth = 0;
  for (const token of tokens(term)) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    else if (depth === 0 && /^or$/i.test(token.text)) return `(${term})`;
  }
  return term;
}

export interface Token {
  text: string;
  at: number;
}

const TOKEN = /"(?:[^"\\]|\\[\s\S])*"?|'(?:[^'\\]|\\[\s\S])*'?|[(),]|[<>!=]=?|(?:[^\s(),="'<>!]|!(?!=))+/g;

export function tokens(filter: string): Token[] {
  return [...filter.matchAll(TOKEN)].map((match) => ({ text: match[0], at: match.index }));
}

function isQuoted(text: string): boolean {
  return text.startsWith('"') || text.startsWith("'");
}

export function unquote(text: string): string {
  if (!isQuoted(text)) return text;
  const mark = text[0] ?? '"';
  const end = text.length > 1 && text.endsWith(mark) ? -1 : undefined;
  return text.slice(1, end).replace(/\\(["'\\])/g, (both, next) => (next === mark || next === "\\" ? next : both));
}

function quoteAlways(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
