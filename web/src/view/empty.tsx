// The live page without rows: how to connect Falco if there never was an alert, what to change if nothing
// matches, or why the server cannot be reached.

import { failure, loaded, olderFrom, phase, stats } from "../feed";
import { request, Problem } from "../model/api";
import { ROOT } from "../model/base";
import { testAlert, wiring } from "../model/copyas";
import { isLive, filter, go, hasToken, place, say } from "../state";
import { Snippet, number } from "./text";

export async function sendTest(): Promise<void> {
  try {
    await request("/api/v1/events", {}, { method: "POST", body: testAlert(new Date()), headers: { "content-type": "application/json" } });
    say("Test alert sent");
  } catch (error) {
    say(error instanceof Problem ? error.message : String(error));
  }
}

export function Empty() {
  if (!loaded.value) {
    if (failure.value) return <div class="empty"><h2>Not connected</h2><p>{failure.value.message} Trying again.</p></div>;
    return <div class="empty skeleton" aria-label="Loading" role="status">{Array.from({ length: 12 }, (_, at) => <i key={at} />)}</div>;
  }
  if (failure.value?.status === 400) {
    return (
      <div class="empty">
        <h2>{failure.value.parameter === "filter" || failure.value.parameter === "" ? "Invalid filter" : "Invalid range"}</h2>
        <p>{failure.value.message}</p>
        <button type="button" onClick={() => go({ filter: "", since: "15m", until: "" })}>Clear filter and range</button>
      </div>
    );
  }
  const received = stats.value?.received ?? 0;
  if (isLive.value && received === 0 && (stats.value?.retained ?? 0) === 0 && stats.value) return <Wiring />;
  return (
    <div class="empty">
      <h2>{filter.value === "" ? "No alert in this range" : "No alert matches"}</h2>
      <p>
        {stats.value ? `The server retains ${number(stats.value.retained)} alerts. ` : ""}
        {olderFrom.value !== null ? "Not all of them were scanned yet. " : ""}
        {isLive.value ? toCome() : ""}
      </p>
      <div class="buttons">
        {filter.value !== "" && <button type="button" class="main" onClick={() => go({ filter: "" })}>Clear filter</button>}
        {place.value.since !== "" && <button type="button" onClick={() => go({ since: "", until: "" })}>Show all retained alerts</button>}
      </div>
    </div>
  );
}

function toCome(): string {
  const now = phase.value;
  const cut = now?.name === "waiting" || now?.name === "stopped" || (now?.name === "connecting" && now.attempt > 0);
  return cut ? "Not connected. New alerts are shown after the connection is back." : "Matching alerts appear here as they arrive.";
}

function Wiring() {
  return (
    <div class="empty wiring">
      <h2>No alert yet</h2>
      <p>Falconer is waiting for Falco. Connect Falco in one of three ways, or send a test alert:</p>
      <div class="buttons"><button type="button" class="main" onClick={() => void sendTest()}>Send a test alert</button></div>
      <div class="cards">
        {wiring(ROOT, hasToken.value).map(({ title, text }) => (
          <section key={title}><h3>{title}</h3><Snippet text={text} what={title} /></section>
        ))}
      </div>
    </div>
  );
}
