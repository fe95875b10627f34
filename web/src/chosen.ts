// The chosen rows: the focused row, the rows selected for copying, and the open alert.

import { signal } from "@preact/signals";
import { itemAt, kindAt, pause } from "./feed";
import { ALERT } from "./model/ring";
import { copy, go, place } from "./state";

/** The focused row, if there is one. */
export const active = signal<number | undefined>(undefined);
export const picked = signal<ReadonlySet<number>>(new Set());
/** Selects a row, or removes it from the selection. */
export function pick(row: number): void {
  const next = new Set(picked.value);
  if (!next.delete(row)) next.add(row);
  pause("key");
  picked.value = next;
}

/** The selected alerts as NDJSON, newest last. Without a selection, the alert of one row. */
export function copyPicked(otherwise?: number): boolean {
  const rows = picked.value.size > 0 ? [...picked.value].sort((a, b) => a - b) : otherwise === undefined ? [] : [otherwise];
  const lines = rows.flatMap((row) => itemAt(row)?.json ?? []);
  if (lines.length > 0) void copy(lines.join("\n"), lines.length === 1 ? "JSON" : `${lines.length} alerts as NDJSON`);
  return lines.length > 0;
}

export function show(row: number): void {
  const item = itemAt(row);
  if (!item || kindAt(row) !== ALERT) return;
  active.value = row;
  if (getSelection()?.type === "Range") return;
  pause("detail");
  go({ event: item.cursor }, place.value.event !== "");
}
