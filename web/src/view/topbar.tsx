// The top bar: pages, connection, time zone, theme, help.

import { useEffect, useState } from "preact/hooks";
import { lastAlertAt, phase, rate, reconnect, stats } from "../feed";
import { span } from "../model/time";
import type { Page } from "../model/place";
import { filter, follow, hasToken, helpOpen, href, isLive, place, signIn, theme, zone, type Theme } from "../state";
import { number } from "./text";

const PAGES: { page: Page; name: string }[] = [
  { page: "live", name: "Live" }, { page: "rules", name: "Rules" },
  { page: "nodes", name: "Nodes" }, { page: "status", name: "Status" },
];
const THEMES: Theme[] = ["system", "light", "dark"];
const THEME_ICONS = { system: "◐", light: "○", dark: "●" };

export function TopBar() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "system";
  return (
    <header class="top">
      <a class="brand" aria-label="Falconer, live page" href={href({ page: "live" })} onClick={follow({ page: "live" })}>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="8" />
          <path d="M7 9c6 0 12 1 18 4-4 0-7 .5-9 2 3 0 5 .5 6 1.500-4 0-7 1-8 6-3-4-6-8-7-13.500z" />
        </svg>
        <span>Falconer</span>
      </a>
      <nav aria-label="Pages">
        {PAGES.map(({ page, name }) => (
          <a key={page} href={href({ page })} onClick={follow({ page })} aria-current={place.value.page === page ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      <Pill />
      <div class="tools">
        <button type="button" class="quiet" title="Time zone (t)" onClick={() => (zone.value = zone.value === "utc" ? "local" : "utc")}>
          {zone.value === "utc" ? "UTC" : "Local"}<span class="offscreen"> time</span>
        </button>
        <button type="button" class="quiet" title={`Theme: ${theme.value}`} onClick={() => (theme.value = next)}>
          <span aria-hidden="true">{THEME_ICONS[theme.value]}</span><span class="offscreen">Theme: {theme.value}</span>
        </button>
        <button type="button" class="quiet" title="Keyboard shortcuts (?)" onClick={() => (helpOpen.value = true)}>
          <span aria-hidden="true">?</span><span class="offscreen">Keyboard shortcuts</span>
        </button>
        {hasToken.value && <button type="button" class="quiet" onClick={() => signIn("")}>Sign out</button>}
      </div>
    </header>
  );
}

function Pill() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const at = phase.value;
  const lost = stats.value?.lost ?? 0;
  let state = "off";
  let text = "Connecting";
  if (!isLive.value && at === undefined) text = "Fixed range";
  else if (at?.name === "live") {
    state = "live";
    const quiet = lastAlertAt.value > 0 ? `last alert ${span(now - lastAlertAt.value)} ago` : filter.value === "" ? "no alert yet" : "no match yet";
    text = rate.value >= 0.05 ? `Live · ${rate.value < 10 ? rate.value.toFixed(1) : number(Math.round(rate.value))}/s` : `Live · ${quiet}`;
  } else if (at?.name === "waiting") {
    state = "cut";
    text = `Reconnecting in ${Math.max(0, (at.until - now) / 1000).toFixed(1)} s`;
  } else if (at?.name === "connecting" && at.attempt > 0) {
    state = "cut";
    text = `Reconnecting, attempt ${at.attempt}`;
  } else if (at?.name === "stopped") {
    state = "bad";
    text = "Not connected";
  }
  const why = at && "why" in at ? at.why : "";
  return (
    <div class="connection">
      <span class={`pill ${state}`} title={why || (state === "live" ? "A second: what the server takes in, whatever the filter" : "")} data-state={state}><span class="pill-text">{text}</span></span>
      {at?.name === "waiting" && <button type="button" class="small" onClick={reconnect}>Now</button>}
      <span class={lost > 0 ? "lost some" : "lost"} title="Alerts evicted before a reader read them">
        {lost > 0 ? "▲ " : ""}{number(lost)} lost
      </span>
      <span class="offscreen" role="status">{state === "live" ? "Live" : state === "cut" ? "Reconnecting" : text}</span>
    </div>
  );
}
