// Attackers choose the text of alerts. Control, bidi and invisible characters are shown by name or by
// their control picture. Pure: returns pieces for text nodes.

export interface Piece {
  text: string;
  /** Whether it replaces characters that are invisible or move others. */
  odd: boolean;
}

// C0, DEL, C1, soft hyphen, Arabic letter mark, Mongolian vowel separator, zero width and bidi
// marks, line and paragraph separators, invisible operators, byte order mark, interlinear marks,
// Hangul fillers, variation selectors, lone surrogates, tag characters.
export const ODD = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f" +
  "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb" +
  "\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]|\\p{Surrogate}", "gu");

/** The same without line breaks, for text whose line breaks are ours. */
export const ODD_IN_LINES = new RegExp(ODD.source.replace("[\\u0000-\\u001f", "[\\u0000-\\u0009\\u000b-\\u001f"), "gu");

/**
 * Splits a text into pieces that are shown as they are, and pieces that are shown by name. Adjacent odd
 * characters are one piece, and beyond `most` pieces the rest is one, so that a hostile text does not
 * become an element for each character.
 */
export function pieces(text: string, most = Infinity, odd = ODD): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(odd)) {
    const last = found.at(-1);
    if (match.index === at && last?.odd) last.text += name(match[0]);
    else if (found.length >= most) break;
    else {
      if (match.index > at) found.push({ text: text.slice(at, match.index), odd: false });
      found.push({ text: name(match[0]), odd: true });
    }
    at = match.index + match[0].length;
  }
  if (found.length >= most && at < text.length) found.push({ text: text.slice(at).replace(odd, name), odd: false });
  else if (at < text.length || found.length === 0) found.push({ text: text.slice(at), odd: false });
  return found;
}

/** The same as one text, for attributes. */
export function visible(text: string): string {
  return text.replace(ODD, name);
}

export function hasOdd(text: string, odd = ODD): boolean {
  return text.search(odd) >= 0;
}

function name(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
