// The alerts as rows of one height, of which only those in sight are in the page; newest on top.
// At the very top it follows what comes; scrolled, it stands still. Paints text only.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { bottom, hold, itemAt, kindAt, loadOlder, loading, olderFrom, pause, resume, ring, textAt, top, KEPT_ROWS } from "../feed";
import { display, valueOf, type Alert } from "../model/alert";
import { ALERT, LOST } from "../model/ring";
import { clock, moment, short } from "../model/time";
import { template } from "../model/widths";
import type { Lost } from "../model/wire";
import { go, narrow, place, widths, zone } from "../state";
import { Columns } from "./columns";
import { Resizer } from "./resizer";
import { Priority, Text, number } from "./text";

const ROW = 28;
const CARD = 58;
const SPARE = 6;

/** The row the keyboard is at; undefined when none is. */
export const active = signal<number | undefined>(undefined);
export const picked = signal<ReadonlySet<number>>(new Set());
/** Brings a row into sight; the table sets it. */
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
        : "Nothing older in this range."}
    </p>
  );
}

/** Rows that stay in sight keep their elements; those that come take over those that go. */
const slot = (row: number, count: number): number => ((row % count) + count) % count;

interface RowProps { row: number; index: number; columns: string[]; cards: boolean }

function Row({ row, index, columns, cards }: RowProps) {
  const attributes = { id: `row${row}`, role: "row" as const, "aria-rowindex": index + 2 };
  const kind = kindAt(row);
  if (kind !== ALERT) return <Mark {...attributes} kind={kind} text={textAt(row) ?? ""} columns={columns.length} />;
  const item = itemAt(row);
  if (!item) return <div class="row gone" {...attributes}><span role="gridcell" aria-colspan={columns.length}>no longer kept in the browser</span></div>;
  const { alert, cursor } = item;
  const open = place.value.event === cursor;
  const on = active.value === row;
  const chosen = picked.value.has(row);
  return (
    <div
      {...attributes} class={`row r${alert.priority}${open ? " open" : ""}${on ? " on" : ""}${chosen ? " picked" : ""}${cards ? " card" : ""}`}
      aria-selected={open || chosen} data-cursor={cursor}
      onClick={() => show(row)}
    >
      {cards ? <Card alert={alert} /> : columns.map((column) => <Cell key={column} alert={alert} column={column} />)}
    </div>
  );
}

export function show(row: number): void {
  const item = itemAt(row);
  if (!item || kindAt(row) !== ALERT) return;
  active.value = row;
  if (getSelection()?.type === "Range") return;
  pause("detail");
  go({ event: item.cursor }, place.value.event !== "");
}

function Cell({ alert, column }: { alert: Alert; column: string }) {
  if (column === "priority") return <span role="gridcell"><Priority priority={alert.priority} /></span>;
  if (column === "time") {
    const at = moment(alert.time);
    return <span role="gridcell" class="mono" title={alert.time.slice(0, 60)}>{Number.isNaN(at) ? <Text text={alert.time} most={30} /> : clock(at, zone.value)}</span>;
  }
  const value = valueOf(alert, column);
  const text = column === "output" ? withoutPrefix(alert) : value === undefined ? "" : Array.isArray(value) ? value.map(display).join(" ") : display(value);
  return <span role="gridcell" class={column === "output" || column.includes(".") ? "mono" : ""}><Text text={text} /></span>;
}

/** Falco's output opens with the time and the priority, which have columns of their own. */
export function withoutPrefix(alert: Alert): string {
  return alert.output.replace(/^[\d:.T+\-Z]{8,40}:? (?:Emergency|Alert|Critical|Error|Warning|Notice|Informational|Debug)\b:? */, "");
}

function Card({ alert }: { alert: Alert }) {
  const at = moment(alert.time);
  return (
    <>
      <span role="gridcell" class="card-top">
        <Priority priority={alert.priority} short />
        <b><Text text={alert.rule} most={80} /></b>
        <time class="mono">{Number.isNaN(at) ? "" : clock(at, zone.value, false)}</time>
      </span>
      <span role="gridcell" class="card-text mono"><Text text={withoutPrefix(alert)} most={160} /></span>
    </>
  );
}

function Mark({ kind, text, columns, ...attributes }: { kind: number; text: string; columns: number; id: string; role: "row"; "aria-rowindex": number }) {
  return (
    <div {...attributes} class={kind === LOST ? "row mark lost-row" : "row mark"}>
      <span role="gridcell" aria-colspan={columns}>{kind === LOST ? <LostText text={text} /> : <RestartText text={text} />}</span>
    </div>
  );
}

function LostText({ text }: { text: string }) {
  const lost = JSON.parse(text) as Partial<Lost>;
  return (
    <>
      <b>▲ {number(lost.count ?? 0)} alerts lost</b> between {String(lost.first ?? "?")} and {String(lost.last ?? "?")}
      {lost.cause ? <>: <Text text={String(lost.cause)} /></> : null}
    </>
  );
}

function RestartText({ text }: { text: string }) {
  const { at = 0 } = JSON.parse(text) as { at?: number };
  return <><b>Server restarted</b> {short(at, zone.value, Date.now())}: what it kept before is gone; alerts below were held by this page.</>;
}

export { Columns };
