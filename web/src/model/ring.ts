// The rows the browser keeps: a double-ended ring, struct of arrays, whose rows have numbers that
// never change. New rows push the oldest out; older ones are let in only while there is room.
// Rows are the text as it came; nothing is parsed here.

export const ALERT = 0;
/** Alerts the server no longer had when this reader came to them. */
export const LOST = 1;
/** The server began a new epoch here. */
export const RESTART = 2;

export type Kind = typeof ALERT | typeof LOST | typeof RESTART;

export class Ring {
  readonly capacity: number;
  /** Number of the oldest row kept. */
  low = 0;
  /** Number of the row to come; `high - low` rows are kept. */
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

  /** Lets an older row in at the far end; false when there is no room. */
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

  /** A copy of the newest rows, so that what is being read stays while new rows come. */
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
