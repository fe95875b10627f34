// The widths of the columns: set by the user, or the default of the field. Pure. A width is a maximum: with
// less room the columns shrink, so that rows never overflow.

export type Widths = Record<string, number>;

export const NARROWEST = 48;
export const WIDEST = 1200;
/** The step of an arrow key. */
export const STEP = 16;

const USUAL = new Map([
  ["time", "6.8rem"], ["priority", "var(--priority)"], ["hostname", "minmax(4rem, 8rem)"], ["rule", "minmax(6rem, 17rem)"],
  ["output", "minmax(min(16rem, 32%), 1fr)"], ["source", "6rem"], ["tags", "minmax(6rem, 12rem)"],
]);

/** The `grid-template-columns` of a row. The last column takes the rest. */
export function template(columns: string[], widths: Widths): string {
  return columns.map((column, at) => {
    // A link can name any column, so "constructor" must be a field like others.
    const width = Object.hasOwn(widths, column) ? widths[column] : undefined;
    if (at === columns.length - 1) return column === "output" ? USUAL.get(column) : "minmax(6rem, 1fr)";
    return width === undefined ? (USUAL.get(column) ?? "minmax(5rem, 12rem)") : `minmax(${NARROWEST}px, ${width}px)`;
  }).join(" ");
}

export function within(width: number): number {
  return Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)));
}

/** The stored widths, without invalid ones. */
export function readWidths(text: string | null): Widths {
  try {
    const found: unknown = JSON.parse(text ?? "{}");
    const pairs = Object.entries(found ?? {}).filter((pair): pair is [string, number] => Number.isFinite(pair[1]));
    return Object.fromEntries(pairs.map(([column, width]) => [column, within(width)]));
  } catch {
    return {};
  }
}
