// One row of the table: the cells of an alert (a card on a narrow screen), or the mark of lost alerts or
// of a restart, below which are the earlier alerts of this page. Renders text only.

import { active, picked, pick, show } from "../chosen";
import { itemAt, kindAt, textAt } from "../feed";
import { display, valueOf, type Alert } from "../model/alert";
import { ALERT, LOST } from "../model/ring";
import { clock, moment, short } from "../model/time";
import type { Lost } from "../model/wire";
import { place, zone } from "../state";
import { Priority, Text, number } from "./text";

interface RowProps { row: number; index: number; columns: string[]; cards: boolean }

export function Row({ row, index, columns, cards }: RowProps) {
  const attributes = { id: `row${row}`, role: "row" as const, "aria-rowindex": index + 2 };
  const kind = kindAt(row);
  if (kind !== ALERT) return <Mark {...attributes} kind={kind} text={textAt(row) ?? ""} columns={columns.length} />;
  const item = itemAt(row);
  if (!item) return <div class="row gone" {...attributes}><span role="gridcell" aria-colspan={columns.length}>no longer in this page</span></div>;
  const { alert, cursor } = item;
  const open = place.value.event === cursor;
  const on = active.value === row;
  const chosen = picked.value.has(row);
  return (
    <div
      {...attributes} class={`row r${alert.priority}${open ? " open" : ""}${on ? " on" : ""}${chosen ? " picked" : ""}${cards ? " card" : ""}`}
      aria-selected={open || chosen} data-cursor={cursor}
      onClick={(event) => (event.ctrlKey || event.metaKey ? pick(row) : show(row))}
    >
      {cards ? <Card alert={alert} /> : columns.map((column) => <Cell key={column} alert={alert} column={column} />)}
    </div>
  );
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

/** Removes time and priority from the start of Falco's output, because they have columns. */
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
      <b>▲ {number(lost.count ?? 0)} {lost.count === 1 ? "alert" : "alerts"} lost</b> between {String(lost.first ?? "?")} and {String(lost.last ?? "?")}
      {lost.cause ? <>: <Text text={String(lost.cause)} /></> : null}
    </>
  );
}

function RestartText({ text }: { text: string }) {
  const { at = 0, count = 0 } = JSON.parse(text) as { at?: number; count?: number };
  return (
    <>
      <b>▲ Server restarted</b> {short(at, zone.value, Date.now())}: the alerts before that are gone{count > 0 && `, with ${number(count)} that were not shown here`}, and some may be missing.
    </>
  );
}
