// The live page: filter, histogram, facets, table, and the open alert.

import { signal } from "@preact/signals";
import { copyPicked, picked } from "../chosen";
import { bottom, failure, hold, loaded, lostSeen, olderFrom, pause, phase, ring, shownAlerts, stats, top, waiting } from "../feed";
import { excepting, facetsShown, go, isLive, narrow, place, zone } from "../state";
import { Columns } from "./columns";
import { Detail, useAlert } from "./detail";
import { Empty } from "./empty";
import { Export } from "./export";
import { Facets } from "./facets";
import { FilterBar } from "./filterbar";
import { Histogram, matched } from "./histogram";
import { Table, toTop } from "./table";
import { number } from "./text";
import { Exception } from "./copymenu";
import { clock } from "../model/time";

const drawer = signal(false);

export function LivePage() {
  const open = place.value.event;
  const rows = top.value - bottom.value;
  const bare = rows === 0 && loaded.value && stats.value?.retained === 0 && stats.value.received === 0;
  return (
    <main class={`live-page${open === "" ? "" : " with-detail"}${facetsShown.value === "on" && !bare ? "" : " no-facets"}`}>
      <FilterBar />
      {!bare && <Histogram />}
      {narrow.value ? drawer.value && <div class="drawer"><Facets done={() => (drawer.value = false)} /></div>
        : facetsShown.value === "on" && !bare && <Facets />}
      <section class="alerts" aria-label="Alerts">
        {!bare && <Bar rows={rows} />}
        {rows === 0 ? <Empty /> : <Table />}
      </section>
      {excepting.value !== "" && <Excepting cursor={excepting.value} />}
      {open !== "" && <Detail cursor={open} close={() => go({ event: "" }, true)} />}
    </main>
  );
}

function Excepting({ cursor }: { cursor: string }) {
  const { item } = useAlert(cursor);
  return item ? <Exception item={item} close={() => (excepting.value = "")} /> : null;
}

/** The number of alerts in the list, and the total, because the list can be only the newest page. */
function shownOf(): string {
  const shown = shownAlerts.value;
  const all = matched.value;
  const alerts = (count: number): string => `${number(count)} ${count === 1 ? "alert" : "alerts"}`;
  if (all !== undefined && all > shown) return `${number(shown)} of ${narrow.value ? number(all) : alerts(all)}`;
  return all === undefined && olderFrom.value !== null ? `The newest ${alerts(shown)}` : alerts(shown);
}

function Bar({ rows }: { rows: number }) {
  const held = hold.value;
  const news = waiting.value;
  const notKept = held && ring.low > held.top ? ring.low - held.top : 0;
  const cut = phase.value?.name === "waiting" || (phase.value?.name === "connecting" && phase.value.attempt > 0);
  return (
    <div class="toolbar">
      {narrow.value
        ? <button type="button" class="small" onClick={() => (drawer.value = true)}>Facets</button>
        : <button type="button" class="small facets-switch" aria-pressed={facetsShown.value === "on"} onClick={() => (facetsShown.value = facetsShown.value === "on" ? "off" : "on")}>Facets</button>}
      {isLive.value && (held
        ? <button type="button" class="small main" id="resume" onClick={toTop} title="Follow new alerts (Space)">▶ Follow</button>
        : <button type="button" class="small" id="pause" onClick={() => pause("key")} title="Pause (Space)">❚❚ Pause</button>)}
      <span class="count" aria-live="off">{shownOf()}</span>
      {held && news > 0 && <button type="button" class="new" onClick={toTop}>▲ {number(news)} new</button>}
      {lostSeen.value > 0 && <span class="lost some">▲ {number(lostSeen.value)} lost here</span>}
      {notKept > 0 && <span class="soft">{number(notKept)} passed and are not kept in the browser</span>}
      {cut && <span class="cut">Shown up to {clock(stats.value ? Date.parse(stats.value.time) : Date.now(), zone.value, false)}</span>}
      {failure.value && rows > 0 && <span class="cut">{failure.value.message}</span>}
      <span class="gap" />
      {picked.value.size > 0 && <>
        <span>{number(picked.value.size)} selected</span>
        <button type="button" class="small" title="Copy the selected alerts (c)" onClick={() => copyPicked()}>Copy as NDJSON</button>
        <button type="button" class="small" onClick={() => (picked.value = new Set())}>Clear</button>
      </>}
      <Export />
      {!narrow.value && <Columns />}
    </div>
  );
}
