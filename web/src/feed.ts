// The alerts of the page: loads the newest that match, follows the live stream, loads older ones on
// demand, and freezes the view while the user reads. There is one feed at a time. A new filter or range
// starts a new one.

import { batch, computed, signal } from "@preact/signals";
import { Problem, request, type Params } from "./model/api";
import { cursorOf, readItem, type Item } from "./model/alert";
import { Gaps } from "./model/gaps";
import { splitItems } from "./model/items";
import { Live, type Phase } from "./model/live";
import { ALERT, LOST, RESTART, Ring, type Kind } from "./model/ring";
import { moment } from "./model/time";
import { isRestart } from "./model/stream";
import type { Lost, Stats } from "./model/wire";
import { say } from "./state";

export const KEPT_ROWS = 100_000;
const HELD_ROWS = 20_000;
const FIRST_PAGE = 200;
const OLDER_PAGE = 500;
const PARSED_KEPT = 400;
const MARKS_KEPT = 1000;

export const ring = new Ring(KEPT_ROWS);
/** Changes at most once a frame, if the rows have changed. */
export const changed = signal(0);
export const phase = signal<Phase | undefined>(undefined);
export const stats = signal<Stats | undefined>(undefined);
export const rate = signal(0);
export const lostSeen = signal(0);
export const loading = signal(false);
export const failure = signal<Problem | undefined>(undefined);
/** Whether the first page has been loaded. Before that, an empty table means nothing. */
export const loaded = signal(false);
/** The cursor before which older rows can be loaded; null if there are none. */
export const olderFrom = signal<string | null>(null);
/** Whether the alerts before the oldest row were lost at a restart of the server. */
export const olderGone = signal(false);
export const lastAlertAt = signal(0);

const gaps = new Gaps();
export const lostSpans = signal(gaps.spans);

/** While the view is held, rows from `top` on wait, and the visible rows stay even if the ring drops them. */
export interface Hold {
  top: number;
  why: "scroll" | "key" | "detail";
  copy: Ring;
}
export const hold = signal<Hold | undefined>(undefined);

export const top = computed(() => (changed.value, hold.value?.top ?? ring.high));
export const bottom = computed(() => {
  changed.value;
  const held = hold.value?.copy;
  return held && ring.low > held.low ? held.low : ring.low;
});
/** Rows of the view that are not alerts: marks of lost alerts. */
let marks: number[] = [];
export const shownAlerts = computed(() => {
  const [from, to] = [bottom.value, top.value];
  return to - from - marks.filter((row) => row >= from && row < to).length;
});

export const waiting = computed(() => (changed.value, hold.value ? ring.high - hold.value.top : 0));

export function pause(why: Hold["why"]): void {
  const now = hold.value;
  if (now) {
    if (now.why === "scroll" && why !== "scroll") hold.value = { ...now, why };
    return;
  }
  hold.value = { top: ring.high, why, copy: ring.copy(HELD_ROWS) };
}

export function resume(): void {
  hold.value = undefined;
}

const parsed = new Map<number, { text: string; item: Item }>();

export function kindAt(row: number): number {
  const from = ring.has(row) ? ring : hold.value?.copy;
  return from?.has(row) ? from.kind(row) : ALERT;
}

export function textAt(row: number): string | undefined {
  return ring.text(row) ?? hold.value?.copy.text(row);
}

/** The alert of a row, parsed when it is first painted. The last few hundred are cached. */
export function itemAt(row: number): Item | undefined {
  const text = textAt(row);
  if (text === undefined) return undefined;
  const known = parsed.get(row);
  if (known?.text === text) return known.item;
  const item = readItem(text);
  if (parsed.size >= PARSED_KEPT) {
    for (const oldest of [...parsed.keys()].slice(0, PARSED_KEPT / 2)) parsed.delete(oldest);
  }
  parsed.set(row, { text, item });
  return item;
}

/** The row of an alert, if the page has it. */
export function rowOf(cursor: string): number | undefined {
  const start = `{"cursor":"${cursor}"`;
  for (let row = ring.high - 1; row >= ring.low; row -= 1) {
    if (ring.text(row)?.startsWith(start)) return row;
  }
  const held = hold.value?.copy;
  for (let row = (held?.high ?? 0) - 1; held && row >= held.low; row -= 1) {
    if (held.text(row)?.startsWith(start)) return row;
  }
  return undefined;
}

/** The next older (1) or newer (-1) alert of the same rule. */
export function sameRule(row: number, towards: 1 | -1): number | undefined {
  const rule = itemAt(row)?.alert.rule;
  if (rule === undefined) return undefined;
  const piece = `"rule":${JSON.stringify(rule)}`;
  for (let next = row - towards; next >= bottom.value && next < top.value; next -= towards) {
    if (kindAt(next) === ALERT && textAt(next)?.includes(piece)) return next;
  }
  return undefined;
}

let frame = 0;
function touch(): void {
  if (frame !== 0) return;
  const run = (): void => {
    frame = 0;
    changed.value += 1;
  };
  // A hidden page gets no frames, but still counts new alerts.
  frame = document.hidden ? window.setTimeout(run, 1000) : requestAnimationFrame(run);
}

let live: Live | undefined;
let opening = new AbortController();
let params: Params = {};

export function close(): void {
  opening.abort();
  live?.stop();
  live = undefined;
}

export async function open(filter: string, since: string, until: string): Promise<void> {
  close();
  const here = (opening = new AbortController());
  params = { filter, since, until };
  batch(() => {
    ring.clear();
    parsed.clear();
    hold.value = undefined;
    loaded.value = false;
    gaps.forget();
    failure.value = undefined;
    olderFrom.value = null;
    olderGone.value = false;
    marks = [];
    anew = false;
    lostSeen.value = 0;
    changed.value += 1;
  });
  const head = filter === "" || until !== "" ? "" : await newestOfAll(here.signal);
  const newest = (await fill(here.signal)) || head;
  if (here.signal.aborted || failure.value?.status === 400) return;
  if (until !== "") {
    phase.value = undefined;
    return;
  }
  const start: Params = since === "" ? { last: 1000 } : { since };
  live = new Live(filter, start, newest, hooks());
}

/**
 * The cursor of the newest alert, whether or not it matches. The stream starts there if no retained
 * alert matches, so that the server does not scan all of them again.
 */
async function newestOfAll(signal: AbortSignal): Promise<string> {
  try {
    const [item] = splitItems(await (await request("/api/v1/events", { last: 1, limit: 1 }, { signal })).text());
    return item ? cursorOf(item) : "";
  } catch {
    return "";
  }
}

/** Loads the newest page, and more while it is short. Returns the cursor of the newest alert. */
async function fill(signal: AbortSignal): Promise<string> {
  loading.value = true;
  let newest = "";
  try {
    let before: string | undefined;
    for (let asked = 0; asked < 20; asked += 1) {
      const page = await older(before, FIRST_PAGE, signal);
      newest ||= page.newest;
      olderFrom.value = page.next;
      const first = asked === 0 && page.newest !== "" ? itemAt(ring.high - 1) : undefined;
      if (first) lastAlertAt.value = moment(first.alert.time) || 0;
      if (page.next === null || ring.size >= 50) break;
      before = page.next;
    }
    loaded.value = true;
  } catch (error) {
    if (!signal.aborted && error instanceof Problem) {
      failure.value = error;
      loaded.value = error.status !== 0;
    }
  } finally {
    if (!signal.aborted) loading.value = false;
  }
  return newest;
}

async function older(before: string | undefined, limit: number, signal: AbortSignal) {
  const answer = await request("/api/v1/events", { ...params, before, limit }, { signal });
  const text = await answer.text();
  if (signal.aborted) throw new DOMException("stopped", "AbortError");
  const items = splitItems(text);
  for (const item of items) ring.unshift(ALERT, item);
  // Only the end of the page is parsed. The items stay text.
  const end = /"next"\s*:\s*(?:"([^"]*)"|null)/.exec(text.slice(text.lastIndexOf("]")));
  changed.value += 1;
  return { newest: items[0] ? cursorOf(items[0]) : "", next: end?.[1] ?? null };
}

/** Called when the user scrolls to the oldest row. */
export async function loadOlder(): Promise<void> {
  const from = olderFrom.value;
  if (from === null || loading.value || ring.full) return;
  loading.value = true;
  const { signal } = opening;
  try {
    olderFrom.value = (await older(from, OLDER_PAGE, signal)).next;
  } catch (error) {
    if (!signal.aborted && error instanceof Problem) say(error.message);
  } finally {
    if (!signal.aborted) loading.value = false;
  }
}

export function reconnect(): void {
  live?.now();
}

function mark(kind: Kind, text: string): void {
  marks = [...marks.slice(-MARKS_KEPT), ring.high];
  ring.push(kind, text);
  touch();
}

/** Handles a restart of the server: its earlier alerts are gone, and others may have been lost meanwhile. */
function beganAnew(lost: Lost = {}): void {
  anew = true;
  const count = typeof lost.count === "number" ? lost.count : 0;
  lostHere(count);
  olderFrom.value = null;
  olderGone.value = true;
  mark(RESTART, JSON.stringify({ at: Date.now(), count }));
}

function lostHere(count: number): void {
  const newest = kindAt(ring.high - 1) === ALERT ? itemAt(ring.high - 1) : undefined;
  gaps.lose(moment(newest?.alert.time ?? ""), count);
  lostSeen.value += count;
}

/** Reports what arrived since the connection was lost, and whether that is complete. */
function tellResumed(lostBefore: number): void {
  const lost = lostSeen.value - lostBefore;
  const came = `${caughtUp.toLocaleString("en")} ${caughtUp === 1 ? "alert" : "alerts"}`;
  const text = anew
    ? `The server was restarted. The alerts before that are gone, and some may be missing from the time of the restart. ${came} arrived since.`
    : `Connected again; ${came} caught up, ${lost > 0 ? `${lost.toLocaleString("en")} lost` : "none missing"}.`;
  say(text, outdated ? RELOAD : undefined, anew || outdated);
  anew = false;
}

const RELOAD = { name: "Reload", run: () => location.reload() };
/** Whether the server was restarted since the connection was lost, which was not reported yet. */
let anew = false;
/** Whether the server is another build than this page. */
let outdated = false;
let caughtUp = 0;
let before: { received: number; at: number } | undefined;
let firstBuild = "";

function hooks() {
  return {
    rows: (items: string[]) => {
      if (gaps.isOpen) {
        gaps.end(moment(readItem(items[0] ?? "").alert.time));
        lostSpans.value = gaps.spans;
      }
      for (const item of items) ring.push(ALERT, item);
      caughtUp += items.length;
      lastAlertAt.value = Date.now();
      touch();
    },
    lost: (lost: Lost, text: string) => {
      if (isRestart(lost)) beganAnew(lost);
      else {
        lostHere(lost.count ?? 0);
        mark(LOST, text);
      }
    },
    stats: (next: Stats) => {
      const at = Date.parse(next.time) || Date.now();
      if (before && at > before.at && next.received >= before.received) {
        rate.value = ((next.received - before.received) * 1000) / (at - before.at);
      }
      before = { received: next.received, at };
      if (firstBuild === "") firstBuild = next.build;
      else if (firstBuild !== next.build) {
        firstBuild = next.build;
        outdated = true;
        say("The server was updated.", RELOAD, true);
      }
      stats.value = next;
      failure.value = undefined;
      loaded.value = true;
    },
    phase: (next: Phase) => {
      phase.value = next;
      if (next.name !== "live") before = undefined;
    },
    resumed: () => {
      caughtUp = 0;
      const lostBefore = lostSeen.value;
      setTimeout(() => tellResumed(lostBefore), 1500);
    },
    restarted: () => beganAnew(),
  };
}
