// One alert: its output, every field with copy and filter buttons, and its JSON. The only links are MITRE
// tags of the form T1234 or T1234.001.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { itemAt, rowOf } from "../feed";
import { Problem, request } from "../model/api";
import { display, priorityName, readItem, type Alert, type FieldValue, type Item } from "../model/alert";
import { quote, writable } from "../model/filter";
import { pretty } from "../model/pretty";
import { age, clock, day, moment } from "../model/time";
import { follow, href, place } from "../state";
import { CopyMenu } from "./copymenu";
import { wantValue } from "./facets";
import { CopyButton, CopyIcon, FieldName, Priority, Text, number } from "./text";

/** The maximum length of JSON on the page. The layout of more takes noticeable time. */
const LONG_JSON = 100_000;

/** Loads the alert of a cursor, from the rows or the server. */
export function useAlert(cursor: string): { item: Item | undefined; problem: Problem | undefined } {
  const [found, setFound] = useState<{ cursor: string; item?: Item; problem?: Problem }>({ cursor: "" });
  useEffect(() => {
    if (cursor === "") return undefined;
    const row = rowOf(cursor);
    const held = row === undefined ? undefined : itemAt(row);
    if (held) {
      setFound({ cursor, item: held });
      return undefined;
    }
    const abort = new AbortController();
    request(`/api/v1/events/${encodeURIComponent(cursor)}`, {}, { signal: abort.signal })
      .then((answer) => answer.text())
      .then((text) => setFound({ cursor, item: readItem(text.trim()) }))
      .catch((error: unknown) => {
        if (!abort.signal.aborted) setFound({ cursor, problem: error instanceof Problem ? error : new Problem(String(error)) });
      });
    return () => abort.abort();
  }, [cursor]);
  return found.cursor === cursor ? { item: found.item, problem: found.problem } : { item: undefined, problem: undefined };
}

export function NotThere({ problem }: { problem: Problem }) {
  const text = problem.status === 410 ? "The server no longer retains this alert."
    : problem.status === 404 ? "The server has no such alert. It may have been restarted."
    : problem.message;
  const what = problem.status === 410 ? "Gone" : problem.status === 404 ? "Not found" : "Not loaded";
  return <p class="notice" role="alert"><b>{what}.</b> {text}</p>;
}

export function Detail({ cursor, close }: { cursor: string; close?: () => void }) {
  const { item, problem } = useAlert(cursor);
  const [tab, setTab] = useState<"fields" | "json">("fields");
  const end = close && <button type="button" class="quiet close" aria-label="Close (Esc)" title="Close (Esc)" onClick={close}>✕</button>;
  if (!item) {
    return <article class="detail" aria-label="Alert"><header>{end}</header>{problem ? <NotThere problem={problem} /> : <p class="soft">Loading…</p>}</article>;
  }
  const { alert } = item;
  const at = moment(alert.time);
  return (
    <article class="detail" aria-label="Alert">
      <header class={`r${alert.priority}`}>
        <div class="title"><Priority priority={alert.priority} /><h2><Text text={alert.rule || "(no rule)"} most={300} /></h2>{end}</div>
        <p class="when">
          {Number.isNaN(at) ? <Text text={alert.time} most={60} /> : <>
            <time dateTime={new Date(at).toISOString()}>{day(at, "local")} {clock(at, "local")} local</time>
            <span>{clock(at, "utc")} UTC</span><span>{age(at, Date.now())}</span>
          </>}
        </p>
      </header>
      <p class="output mono"><Text text={alert.output} most={20_000} /></p>
      <div class="actions">
        <CopyMenu item={item} />
        {place.value.page !== "event" && <a class="button" href={href({ page: "event", event: item.cursor })} onClick={follow({ page: "event", event: item.cursor })}>Open</a>}
        {!Number.isNaN(at) && alert.hostname !== "" && <Around alert={alert} at={at} />}
      </div>
      <div class="tabs" role="tablist" aria-label="Alert as">
        {(["fields", "json"] as const).map((each) => (
          <button key={each} type="button" role="tab" id={`tab-${each}`} aria-controls="panel" aria-selected={tab === each} onClick={() => setTab(each)}>
            {each === "fields" ? "Fields" : "JSON"}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === "fields" ? <Fields alert={alert} /> : <Json json={item.json} />}
      </div>
    </article>
  );
}

function Json({ json }: { json: string }) {
  const long = json.length > LONG_JSON;
  return (
    <>
      {long && <p class="notice">Of {number(json.length)} characters the first {number(LONG_JSON)} are shown. Copy as JSON gives all.</p>}
      <pre class="json mono">{long ? <Text text={json} most={LONG_JSON} /> : <Text text={pretty(json)} most={Infinity} lines />}</pre>
    </>
  );
}

/** Same host, half a minute before and after. */
function Around({ alert, at }: { alert: Alert; at: number }) {
  if (!writable(alert.hostname)) return null;
  const change = {
    page: "live" as const, filter: `hostname = ${quote(alert.hostname)}`,
    since: new Date(at - 30_000).toISOString(), until: new Date(at + 30_000).toISOString(),
  };
  return <a class="button" href={href(change)} onClick={follow(change)} title="All alerts of this host from 30 s before to 30 s after, without the filter">Surrounding</a>;
}

function Fields({ alert }: { alert: Alert }) {
  const own: [string, FieldValue][] = [
    ["rule", alert.rule], ["priority", alert.priority < 0 ? "" : priorityName(alert.priority)],
    ["hostname", alert.hostname], ["source", alert.source],
  ];
  const fields = Object.entries(alert.fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <dl class="fields">
      {own.filter(([, value]) => value !== "").map(([field, value]) => <Field key={field} field={field} value={value} />)}
      {alert.tags.length > 0 && (
        <div class="field-row"><dt>tags</dt><dd class="tags">{alert.tags.map((tag) => <Tag key={tag} tag={tag} />)}</dd></div>
      )}
      {fields.map(([field, value]) => <Field key={`.${field}`} field={field} value={value} />)}
    </dl>
  );
}

function Field({ field, value }: { field: string; value: FieldValue }) {
  const text = display(value);
  const able = value !== null && typeof value !== "object" && writable(text);
  return (
    <div class="field-row">
      <dt><FieldName field={field} /></dt>
      <dd class={value === null ? "soft" : "mono"}><Text text={text} most={20_000} /></dd>
      <Buttons>
        <button type="button" disabled={!able} title={`Only ${field} = this`} aria-label={`Filter ${field} to this value`} onClick={() => wantValue(field, text, false)}>+</button>
        <button type="button" disabled={!able} title={`Without ${field} = this`} aria-label={`Exclude this value of ${field}`} onClick={() => wantValue(field, text, true)}>−</button>
        <CopyButton text={text} what={field}><CopyIcon /></CopyButton>
      </Buttons>
    </div>
  );
}

const Buttons = ({ children }: { children: ComponentChildren }) => <dd class="field-buttons">{children}</dd>;

function Tag({ tag }: { tag: string }) {
  const technique = /^T(\d{4})(?:\.(\d{3}))?$/.exec(tag);
  const link = technique && `https://attack.mitre.org/techniques/T${technique[1]}/${technique[2] ? `${technique[2]}/` : ""}`;
  return (
    <span class="tag">
      {link ? <a href={link} target="_blank" rel="noopener noreferrer" title="MITRE ATT&CK">{tag}<span aria-hidden="true"> ↗</span></a> : <Text text={tag} most={80} />}
      <button type="button" aria-label={`Filter tag ${tag}`} title="Only alerts with this tag" disabled={!writable(tag)} onClick={() => wantValue("tags", tag, false)}>+</button>
    </span>
  );
}
