// How wide the table's columns are: what somebody set, else what suits the field. Pure. A width is
// a most, not a must: where there is less room the columns give way and no row runs off sideways.

export type Widths = Record<string, number>;

export const NARROWEST = 48;
export const WIDEST = 1200;
/** One press of an arrow key. */
export const STEP = 16;

const USUAL = new Map([
  ["time", "6.8rem"], ["priority", "var(--priority)"], ["hostname", "minmax(4rem, 8rem)"], ["rule", "minmax(6rem, 17rem)"],
  ["output", "minmax(min(16rem, 32%), 1fr)"], ["source", "6rem"], ["tags", "minmax(6rem, 12rem)"],
]);

/** The `grid-template-columns` of a row; the last column takes what is left. */
export function template(columns: string[], widths: Widths): string {
  return columns.map((column, at) => {
    // A column is named by a link, which may say anything: "constructor" is a field like others.
    const width = Object.hasOwn(widths, column) ? widths[column] : undefined;
    if (at === columns.length - 1) return column === "output" ? USUAL.get(column) : "minmax(6rem, 1fr)";
    return width === undefined ? (USUAL.get(column) ?? "minmax(5rem, 12rem)") : `minmax(${NARROWEST}px, ${width}px)`;
  }).join(" ");
}

export function within(width: number): number {
  return Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)));
}

/** What was remembered, without what is no width. */
export function readWidths(text: string | null): Widths {
  try {
    const found: unknown = JSON.parse(text ?? "{}");
    const pairs = Object.entries(found ?? {}).filter((pair): pair is [string, number] => Number.isFinite(pair[1]));
    return Object.fromEntries(pairs.map(([column, width]) => [column, within(width)]));
  } catch {
    return {};
  }
}
