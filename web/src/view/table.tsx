// The alerts as rows of one height, newest first. Only visible rows are in the page. At the top it follows
// new alerts; scrolled down, it does not move. Renders text only.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { active } from "../chosen";
import { bottom, hold, loadOlder, loading, olderFrom, olderGone, pause, resume, ring, top, KEPT_ROWS } from "../feed";
import { template } from "../model/widths";
import { narrow, place, widths } from "../state";
import { Resizer } from "./resizer";
import { Row } from "./row";
import { number } from "./text";

const ROW = 28;
const CARD = 58;
const SPARE = 6;

/** Scrolls to a row. Set by the table. */
export let reveal: (row: number) => void = () => undefined;
export let toTop: () => void = () => undefined;

export function Table() {
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(0);
  const [height, setHeight] = useState(600);
  const size = narrow.value ? CARD : ROW;
  const newest = top.value;
  const rows = newest - bottom.value;
  const columns = place.value.columns;

  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const measure = (): void => setHeight(element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    reveal = (row) => {
      const y = (top.value - 1 - row) * size;
      const head = narrow.value ? 0 : ROW;
      if (y < element.scrollTop) element.scrollTop = y;
      else if (y + size > element.scrollTop + element.clientHeight - head) element.scrollTop = y + size - element.clientHeight + head;
    };
    toTop = () => {
      element.scrollTop = 0;
      resume();
    };
    return () => observer.disconnect();
  }, [size]);

  useEffect(() => {
    if (!hold.value && scroller.current) scroller.current.scrollTop = 0;
  }, [hold.value === undefined]);

  const onScroll = (): void => {
    const y = scroller.current?.scrollTop ?? 0;
    setAt(y);
    if (y > 0 && !hold.value) pause("scroll");
    else if (y <= 0 && hold.value?.why === "scroll") resume();
    if (y + height > (rows - 40) * size) void loadOlder();
  };

  const first = Math.max(0, Math.floor(at / size) - SPARE);
  const count = Math.max(0, Math.min(rows - first, Math.ceil(height / size) + 2 * SPARE));
  const activeRow = active.value;
  const seen = activeRow !== undefined && activeRow < newest - first && activeRow >= newest - first - count;
  return (
    <div class="table" ref={scroller} onScroll={onScroll}>
      <div
        id="alerts" role="grid" aria-label="Alerts, newest first" tabIndex={0}
        aria-rowcount={rows + 1} aria-colcount={columns.length} aria-activedescendant={seen ? `row${activeRow}` : undefined}
        style={{ "--columns": template(columns, widths.value) }}
      >
        <div class="row head" role="row" aria-rowindex={1}>
          {columns.map((column, at) => (
            <span key={column} role="columnheader" aria-label={column}><span>{column}</span>{at < columns.length - 1 && <Resizer column={column} />}</span>
          ))}
        </div>
        <div class="rows" role="rowgroup" style={{ height: `${Math.max(rows * size, 1)}px` }}>
          <div role="presentation" style={{ transform: `translateY(${first * size}px)` }}>
            {Array.from({ length: count }, (_, index) => (
              <Row key={slot(newest - 1 - first - index, count)} row={newest - 1 - first - index} index={first + index} columns={columns} cards={narrow.value} />
            ))}
          </div>
        </div>
      </div>
      <End rows={rows} />
    </div>
  );
}

function End({ rows }: { rows: number }) {
  if (rows === 0) return null;
  return (
    <p class="end">
      {loading.value ? "Loading older alerts…"
        : ring.full ? `The browser keeps ${number(KEPT_ROWS)} alerts. Narrow the range or export to see older ones.`
        : olderFrom.value !== null ? <button type="button" onClick={() => void loadOlder()}>Load older alerts</button>
        : olderGone.value ? "Older alerts were lost at a restart of the server."
        : "No older alerts in this range."}
    </p>
  );
}

/** Visible rows keep their elements. New rows reuse the elements of those that disappear. */
const slot = (row: number, count: number): number => ((row % count) + count) % count;
