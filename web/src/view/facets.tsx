// The most frequent values of the filter and range. A click includes a value, Alt-click or the minus button
// excludes it, and a second click removes the term.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { facets as ask } from "../model/api";
import { priorityOf } from "../model/alert";
import { add, chosen, fieldName, quote, terms, toggle, toggleTerm, writable } from "../model/filter";
import type { Facet } from "../model/wire";
import { filter, go, place } from "../state";
import { usePolled } from "./polled";
import { Priority, Text, atLeast, number } from "./text";

/** The values by field, for completion. */
export const facetValues = signal(new Map<string, string[]>());

const FEW = 5;

export function Facets({ done }: { done?: () => void }) {
  const { since, until } = place.value;
  const key = JSON.stringify([filter.value, since, until]);
  const { data, problem } = usePolled(key, until === "" ? 3000 : 0, async (signal) => {
    const answer = await ask({ filter: filter.value, since, until }, signal);
    facetValues.value = new Map(answer.facets.map(({ field, values }) => [field, values.map(({ value }) => value)]));
    return answer;
  });
  return (
    <aside class="facets" aria-label="Facets">
      {done && <div class="drawer-head"><h2>Facets</h2><button type="button" onClick={done}>Done</button></div>}
      {problem && <p class="soft">{problem.message}{data && " What is shown may be old."}</p>}
      {data?.facets.map((facet) => <One key={facet.field} facet={facet} matched={data.matched} />)}
      {data && <p class="soft foot">{number(data.matched)} {data.matched === 1 ? "alert matches" : "alerts match"}, of {number(data.scanned)} scanned.<br />Alt-click excludes.</p>}
    </aside>
  );
}

function One({ facet, matched }: { facet: Facet; matched: number }) {
  const [all, setAll] = useState(false);
  const [open, setOpen] = useState(true);
  const { field } = facet;
  const values = all ? facet.values : facet.values.slice(0, FEW);
  if (facet.values.length === 0 && facet.missing === 0) return null;
  return (
    <section class="facet">
      <h3>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <span aria-hidden="true">{open ? "▾" : "▸"}</span> {field}
        </button>
      </h3>
      {open && (
        <ul>
          {values.map((value) => <Value key={value.value} field={field} {...value} matched={matched} />)}
          {facet.values.length > FEW && (
            <li><button type="button" class="link" onClick={() => setAll(!all)}>{all ? "fewer" : facet.other === 0 ? `${facet.values.length - FEW} more` : `${facet.values.length} of ${atLeast(facet.distinct, !facet.capped)}`}</button></li>
          )}
          {all && facet.other > 0 && <li class="rest"><span>{atLeast(facet.distinct - facet.values.length, !facet.capped)} other values</span><span>{number(facet.other)}</span></li>}
          {facet.missing > 0 && (
            <li class="rest">
              <button type="button" class="link" title="Only alerts without this field" onClick={() => go({ filter: toggleTerm(filter.value, `not ${fieldName(field)} exists`) })}>missing</button>
              <span>{number(facet.missing)}</span>
            </li>
          )}
        </ul>
      )}
    </section>
  );
}

function Value({ field, value, cut = false, count, matched }: { field: string; value: string; cut?: boolean; count: number; matched: number }) {
  // A long value is cut.
  const term = `${fieldName(field)} startswith ${quote(value)}`;
  const parts = terms(filter.value);
  const state = !cut ? chosen(filter.value, field, value) : parts.includes(term) ? "yes" : parts.includes(`not ${term}`) ? "not" : "";
  const able = writable(value);
  const click = (not: boolean): void =>
    go({ filter: cut ? toggleTerm(filter.value, not ? `not ${term}` : term) : toggle(filter.value, field, value, not) });
  return (
    <li class={`value ${state}`}>
      <button
        type="button" class="pick" aria-pressed={state === "yes"} disabled={!able} title={`${field} ${cut ? "startswith" : "="} ${able ? value : "(cannot be written in a filter)"}\nAlt-click excludes`}
        onClick={(event) => click(event.altKey)}
      >
        <span class="name">{field === "priority" ? <Priority priority={priorityOf(value)} /> : <Text text={value} most={120} />}</span>
        <span class="count">{number(count)}</span>
        <span class="bar" style={{ width: `${matched > 0 ? Math.max(1, Math.min(100, (count / matched) * 100)) : 0}%` }} />
      </button>
      <button type="button" class="out" disabled={!able} aria-pressed={state === "not"} aria-label={`Exclude ${field} ${value}`} title="Exclude" onClick={() => click(true)}>−</button>
    </li>
  );
}

/** The buttons + and − beside a value. */
export function wantValue(field: string, value: string, not: boolean): void {
  go({ page: "live", filter: add(filter.value, field, value, not), event: place.value.page === "live" ? place.value.event : "" });
}
