// The gaps in which alerts were lost. A gap begins after the last alert and ends at the next one. Pure.
// It stores only the newest few gaps.

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
   * Adds lost alerts after an alert of this time (NaN if there was none). The count is 0 if it is unknown.
   * Further losses widen the gap.
   */
  lose(after: number, count: number): void {
    this.open = { from: this.open?.from ?? after, count: (this.open?.count ?? 0) + count };
  }

  /** Notes the next alert. Alerts are not always in order of time. */
  end(at: number): void {
    if (!this.open) return;
    const { from, count } = this.open;
    const times = [from, at].filter((time) => !Number.isNaN(time));
    if (times.length > 0) this.spans = [...this.spans.slice(1 - KEPT), { from: Math.min(...times), to: Math.max(...times), count }];
    this.open = undefined;
  }

  /** Notes a new stream, whose next alert does not end the gap. */
  forget(): void {
    this.open = undefined;
  }
}
