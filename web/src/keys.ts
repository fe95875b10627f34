// Keyboard shortcuts. Single keys work only outside of fields and dialogs, never with a modifier, and can
// be disabled. Keys of the browser and of assistive technology keep their meaning.

import { active, copyPicked, pick, show } from "./chosen";
import { bottom, hold, itemAt, kindAt, pause, rowOf, sameRule, top } from "./feed";
import { PRIORITIES } from "./model/alert";
import { threshold } from "./model/filter";
import { ALERT } from "./model/ring";
import { excepting, filter, go, helpOpen, place, singleKeys, zone } from "./state";
import { reveal, toTop } from "./view/table";

export function listen(): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (target.closest("input, textarea, select, dialog, [role=menu]")) return;
    const onControl = target.closest("button, a, summary, [role=tab]") !== null;
    if (act(event.key, onControl)) event.preventDefault();
  });
}

function act(key: string, onControl: boolean): boolean {
  if (key === "Escape") return escape();
  if (place.value.page === "live" && !onControl && movement(key)) return true;
  if (singleKeys.value === "off") return false;
  switch (key) {
    case "/":
      document.getElementById("filter")?.focus();
      return true;
    case "?":
      helpOpen.value = true;
      return true;
    case "t":
      zone.value = zone.value === "utc" ? "local" : "utc";
      return true;
  }
  if (/^[1-8]$/.test(key)) {
    go({ filter: threshold(filter.value, PRIORITIES[Number(key) - 1] ?? "Debug") });
    return true;
  }
  return place.value.page === "live" && single(key, onControl);
}

function escape(): boolean {
  if (place.value.page !== "live" || place.value.event === "") return false;
  go({ event: "" }, true);
  document.getElementById("alerts")?.focus();
  return true;
}

function movement(key: string): boolean {
  switch (key) {
    case "ArrowDown": return move(1);
    case "ArrowUp": return move(-1);
    case "Home":
      toTop();
      active.value = undefined;
      return true;
    case "End":
      return at(bottom.value);
    case "Enter":
      if (active.value === undefined) return false;
      show(active.value);
      return true;
    default: return false;
  }
}

function single(key: string, onControl: boolean): boolean {
  const row = active.value ?? (place.value.event === "" ? undefined : rowOf(place.value.event));
  switch (key) {
    case " ":
      if (onControl) return false;
      if (hold.value) toTop();
      else pause("key");
      return true;
    case "j": return move(1);
    case "k": return move(-1);
    case "g":
      toTop();
      return true;
    case "x":
      if (row === undefined) return false;
      pick(row);
      return true;
    case "c": return copyPicked(row);
    case "e":
      excepting.value = row === undefined ? "" : (itemAt(row)?.cursor ?? "");
      return excepting.value !== "";
    case "[": return row !== undefined && at(sameRule(row, -1));
    case "]": return row !== undefined && at(sameRule(row, 1));
    default: return false;
  }
}

function move(by: 1 | -1): boolean {
  const from = active.value;
  let next = from === undefined ? top.value - 1 : from - by;
  while (next > bottom.value && next < top.value - 1 && kindAt(next) !== ALERT) next -= by;
  return at(next);
}

function at(row: number | undefined): boolean {
  if (row === undefined || row < bottom.value || row >= top.value) return false;
  pause("key");
  active.value = row;
  reveal(row);
  if (place.value.event !== "") show(row);
  return true;
}
