// The shared state of the page, as signals: the place (also in the address bar), preferences (in local
// storage), the toast. Alerts are in feed.ts.

import { computed, effect, signal } from "@preact/signals";
import { inside, keptAs, outside } from "./model/base";
import { keepToken, token, whenRefused, type Problem } from "./model/api";
import { read, write, type Place } from "./model/place";
import { type Zone } from "./model/time";
import { readWidths } from "./model/widths";
import type { Status } from "./model/wire";

export const place = signal<Place>(here());

/** Navigates. Adds an entry to the history, or with `quiet` replaces it. */
export function go(change: Partial<Place>, quiet = false): void {
  const next = { ...place.value, ...change };
  const path = outside(write(next));
  if (path !== location.pathname + location.search) {
    if (quiet) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
  }
  place.value = next;
}

export function href(change: Partial<Place>): string {
  return outside(write({ ...place.value, event: "", ...change }));
}

/** A link within the dashboard. The page handles plain clicks, the browser all others. */
export function follow(change: Partial<Place>): (event: MouseEvent) => void {
  return (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go({ event: "", ...change });
  };
}

addEventListener("popstate", () => {
  place.value = here();
});

function here(): Place {
  return read(inside(location.pathname), location.search);
}

export const filter = computed(() => place.value.filter);
export const range = computed(() => ({ since: place.value.since, until: place.value.until }));
/** Without an end, the page follows new alerts. */
export const isLive = computed(() => place.value.until === "");

export type Theme = "system" | "light" | "dark";

export const zone = kept<Zone>("zone", "local", ["local", "utc"]);
export const theme = kept<Theme>("theme", "system", ["system", "light", "dark"]);
export const singleKeys = kept<"on" | "off">("keys", "on", ["on", "off"]);
export const facetsShown = kept<"on" | "off">("facets", "on", ["on", "off"]);

export const counts = kept<"linear" | "log">("counts", "linear", ["linear", "log"]);
/** The widths that the user set, by column. */
export const widths = signal(readWidths(remembered("widths")));
effect(() => remember("widths", JSON.stringify(widths.value)));

function kept<T extends string>(name: string, otherwise: T, allowed: T[]) {
  const found = remembered(name);
  const value = signal<T>((allowed as (string | null)[]).includes(found) ? (found as T) : otherwise);
  effect(() => remember(name, value.value));
  return value;
}

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(keptAs(name));
  } catch {
    // Without storage, a preference lasts until the page is closed.
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(keptAs(name), value);
  } catch {
    // The same.
  }
}

const darkScheme = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(darkScheme.matches);
darkScheme.addEventListener("change", (event) => (systemDark.value = event.matches));
export const dark = computed(() => (theme.value === "system" ? systemDark.value : theme.value === "dark"));
effect(() => {
  document.documentElement.dataset.theme = dark.value ? "dark" : "light";
});

const narrowScreen = matchMedia("(max-width: 640px)");
export const narrow = signal(narrowScreen.matches);
narrowScreen.addEventListener("change", (event) => (narrow.value = event.matches));

/** Shows a message for a while, also to screen readers. */
export const toast = signal<{ text: string; action?: { name: string; run: () => void } } | undefined>(undefined);
let toastTimer: ReturnType<typeof setTimeout> | undefined;
export function say(text: string, action?: { name: string; run: () => void }, lasting = false): void {
  clearTimeout(toastTimer);
  toast.value = action ? { text, action } : { text };
  if (!lasting) toastTimer = setTimeout(() => (toast.value = undefined), 4000);
}

/** The cursor of the alert in the exception dialog. */
export const excepting = signal("");
export const helpOpen = signal(false);
export const serverStatus = signal<Status | undefined>(undefined);

/** Set if the server requires a credential. Nothing else is shown then. */
export const refused = signal<Problem | undefined>(undefined);
whenRefused((problem) => (refused.value = problem));

export const hasToken = signal(token() !== "");
export function signIn(value: string): void {
  keepToken(value);
  hasToken.value = value !== "";
  refused.value = undefined;
  place.value = { ...place.value };
  location.reload();
}

/** Copies text. Says so if the browser has no clipboard (plain HTTP from another machine). */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    say(done ? `${what} copied` : "This browser does not allow copying from a page without TLS.");
  }
}
