// The rows of the page: a double-ended ring, struct of arrays, whose rows have fixed numbers. New rows
// replace the oldest ones. Older rows can be added only while there is room. Rows are text, and are not
// parsed here.

export const ALERT = 0;
/** Alerts that were evicted before this reader read them. */
export const LOST = 1;
/** The server was restarted here. */
export const RESTART = 2;

export type Kind = typeof ALERT | typeof LOST | typeof RESTART;

export class Ring {
  readonly capacity: number;
  /** The number of the oldest row. */
  low = 0;
  /** The number of the next row. There are `high - low` rows. */
  high = 0;
  private readonly kinds: Uint8Array;
  private readonly texts: (string | undefined)[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.kinds = new Uint8Array(capacity);
    this.texts = new Array<string | undefined>(capacity);
  }

  get size(): number {
    return this.high - this.low;
  }

  get full(): boolean {
    return this.size >= this.capacity;
  }

  has(row: number): boolean {
    return row >= this.low && row < this.high;
  }

  push(kind: Kind, text: string): void {
    const slot = this.slot(this.high);
    this.kinds[slot] = kind;
    this.texts[slot] = text;
    this.high += 1;
    if (this.size > this.capacity) this.low += 1;
  }

  /** Adds an older row. Returns false if there is no room. */
  unshift(kind: Kind, text: string): boolean {
    if (this.full) return false;
    this.low -= 1;
    const slot = this.slot(this.low);
    this.kinds[slot] = kind;
    this.texts[slot] = text;
    return true;
  }

  kind(row: number): Kind {
    return (this.kinds[this.slot(row)] ?? ALERT) as Kind;
  }

  text(row: number): string | undefined {
    return this.has(row) ? this.texts[this.slot(row)] : undefined;
  }

  clear(): void {
    this.low = 0;
    this.high = 0;
    this.texts.fill(undefined);
  }

  /** A copy of the newest rows, so that the view does not change while new rows arrive. */
  copy(most: number): Ring {
    const copied = new Ring(Math.max(1, Math.min(most, this.size)));
    copied.low = this.high - Math.min(most, this.size);
    copied.high = copied.low;
    for (let row = copied.low; row < this.high; row += 1) copied.push(this.kind(row), this.text(row) ?? "");
    return copied;
  }

  private slot(row: number): number {
    const rest = row % this.capacity;
    return rest < 0 ? rest + this.capacity : rest;
  }
}
