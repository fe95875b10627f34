// Splits a page of alerts into the text of its items without parsing them, so that an alert stays byte
// for byte as Falco wrote it, with numbers beyond 2^53. Returns nothing for other text.

export function splitItems(page: string): string[] {
  const found: string[] = [];
  const start = page.indexOf("[");
  if (start < 0 || !/^\s*\{\s*"items"\s*:\s*$/.test(page.slice(0, start))) return found;
  let depth = 0;
  let from = -1;
  for (let at = start + 1; at < page.length; at += 1) {
    const code = page.charCodeAt(at);
    if (code === 34) {
      at = endOfString(page, at);
    } else if (code === 123 || code === 91) {
      if (depth === 0) from = at;
      depth += 1;
    } else if (code === 125 || code === 93) {
      if (depth === 0) return found;
      depth -= 1;
      if (depth === 0) found.push(page.slice(from, at + 1));
    }
  }
  return found;
}

/** Parses JSON. Numbers that a double cannot hold, such as times in nanoseconds, become text. */
export function longNumbersAsText(json: string): string {
  if (!/\d{16}/.test(json)) return json;
  let out = "";
  for (let at = 0; at < json.length; ) {
    const quote = json.indexOf('"', at);
    const end = quote < 0 ? json.length : quote;
    out += json.slice(at, end).replace(/-?\d{16,}(?![\d.eE])/g, (long) => (Number.isSafeInteger(Number(long)) ? long : `"${long}"`));
    if (quote < 0) break;
    const close = endOfString(json, quote) + 1;
    out += json.slice(quote, close);
    at = close;
  }
  return out;
}

function endOfString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === 92) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}
