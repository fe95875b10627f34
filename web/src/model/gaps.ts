// When alerts were lost: a gap begins behind the last alert that came and ends at the next one.
// Pure; keeps the newest few, so that a server that loses all day costs no more than one.

export interface LostSpan {
  /** Milliseconds. */
  from: number;
  to: number;
  count: number;
}

const KEPT = 200;

export class Gaps {
  spans: LostSpan[] = [];
  private open: { from: number; count: number } | undefined;

  get isOpen(): boolean {
    return this.open !== undefined;
  }

  /**
   * Alerts were lost behind one of this time (NaN when there was none), 0 where nobody knows how
   * many; more of them widen the gap.
   */
  lose(after: number, count: number): void {
    this.open = { from: this.open?.from ?? after, count: (this.open?.count ?? 0) + count };
  }

  /** The next alert came. Alerts need not be in the order of their times. */
  end(at: number): void {
    if (!this.open) return;
    const { from, count } = this.open;
    const times = [from, at].filter((time) => !Number.isNaN(time));
    if (times.length > 0) this.spans = [...this.spans.slice(1 - KEPT), { from: Math.min(...times), to: Math.max(...times), count }];
    this.open = undefined;
  }

  /** Another stream begins: what comes next is not behind the gap. The spans stay true. */
  forget(): void {
    this.open = undefined;
  }
}
