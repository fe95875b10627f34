// The filter: one line in Falco's condition language. The server checks it while it is typed, and Enter
// applies it. Below are hints about possible mistakes, and its terms as removable chips.

import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, hints, request } from "../model/api";
import { terms, without } from "../model/filter";
import { RANGES, isAge, moment, short } from "../model/time";
import { filter, go, isLive, place, say, zone } from "../state";
import { Completion, useCompletion } from "./completion";
import { usePolled } from "./polled";
import { Text } from "./text";

export function FilterBar() {
  const [draft, setDraft] = useState(filter.value);
  const [problem, setProblem] = useState<Problem>();
  const [scrolled, setScrolled] = useState(0);
  const input = useRef<HTMLInputElement>(null);
  const completion = useCompletion(input, setDraft);

  useEffect(() => {
    setDraft(filter.value);
    setProblem(undefined);
  }, [filter.value]);

  useEffect(() => {
    if (draft.trim() === "") {
      setProblem(undefined);
      return undefined;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      request("/api/v1/events", { filter: draft, limit: 1, last: 1 }, { signal: abort.signal })
        .then(() => setProblem(undefined))
        .catch((error: unknown) => {
          if (error instanceof Problem && error.status === 400) setProblem(error);
        });
    }, 150);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [draft]);

  const apply = async (): Promise<void> => {
    try {
      if (draft.trim() !== "") await request("/api/v1/events", { filter: draft, limit: 1, last: 1 });
      setProblem(undefined);
      go({ filter: draft.trim() });
    } catch (error) {
      if (error instanceof Problem && error.status === 400) setProblem(error);
      else if (error instanceof Problem) say(error.message);
    }
  };

  const onKey = (event: KeyboardEvent): void => {
    if (completion.onKey(event)) return;
    if (event.key === "Enter") void apply();
    else if (event.key === "Escape") {
      setDraft(filter.value);
      input.current?.blur();
    }
  };

  const characters = [...draft];
  const at = problem && problem.column > 0 ? problem.column - 1 : -1;
  const wrong = at >= 0 ? Math.max(1, characters.slice(at).join("").startsWith(problem?.found ?? "\0") ? [...(problem?.found ?? "")].length : wordLength(characters, at)) : 0;
  return (
    <section class="filter" aria-label="Filter and time range">
      <div class="filter-line">
        <div class={problem ? "field wrong" : "field"}>
          <div class="mirror" aria-hidden="true">
            <div style={{ transform: `translateX(${-scrolled}px)` }}>
              {at >= 0 && <>{characters.slice(0, at).join("")}<u>{characters.slice(at, at + wrong).join("").padEnd(1, "\u00a0")}</u></>}
            </div>
          </div>
          <input
            ref={input} id="filter" type="text" value={draft} spellcheck={false} autocomplete="off" autocapitalize="off"
            placeholder="priority >= warning and k8s.ns.name = prod"
            aria-label="Filter in Falco's condition language" aria-invalid={problem !== undefined} aria-describedby="filter-help"
            {...completion.attributes}
            onInput={(event) => {
              setDraft(event.currentTarget.value);
              completion.onInput();
            }}
            onScroll={(event) => setScrolled(event.currentTarget.scrollLeft)}
            onSelect={(event) => setScrolled(event.currentTarget.scrollLeft)}
            onKeyDown={onKey} onBlur={completion.onBlur}
          />
          {draft !== "" && (
            <button type="button" class="quiet clear" aria-label="Clear filter" onClick={() => {
              setDraft("");
              go({ filter: "" });
            }}>✕</button>
          )}
          <Completion state={completion} />
        </div>
        <button type="button" class={draft.trim() === filter.value ? "apply" : "apply main"} onClick={() => void apply()}>Apply</button>
        <Range />
      </div>
      <div id="filter-help" class={problem ? "problem" : "hint"} role={problem ? "alert" : undefined}>
        {problem ? (
          <>
            <b>✕ Column {problem.column || "?"}:</b> <Text text={problem.message.replace(/^(?:filter: )?column \d+:\s*/i, "")} />
            {problem.meant !== "" && at >= 0 && (
              <button type="button" class="small" onClick={() => {
                setDraft([...characters.slice(0, at), problem.meant, ...characters.slice(at + wrong)].join(""));
                input.current?.focus();
              }}>Use “{problem.meant}”</button>
            )}
          </>
        ) : draft.trim() !== filter.value ? "Enter applies the filter" : ""}
      </div>
      <Doubts shown={problem === undefined && draft.trim() === filter.value} />
      <Chips />
    </section>
  );
}

/** Hints about possible mistakes: the filter is valid but matches nothing. */
function Doubts({ shown }: { shown: boolean }) {
  const text = filter.value;
  const { data } = usePolled(text, text === "" ? 0 : 10_000, async (signal) => ({ of: text, ...(await hints(text, signal)) }));
  const told = shown && data?.of === text ? data.hints : [];
  return (
    <div class="doubts" role="status">
      {told.map(({ column, found, meant, detail }) => {
        const characters = [...text];
        const end = column - 1 + [...found].length;
        const there = characters.slice(column - 1, end).join("") === found;
        return (
          <p key={`${column}${detail}`}>
            <b>▲ Column {column}:</b> <Text text={detail} />
            {meant !== null && there && (
              <button type="button" class="small" onClick={() => go({ filter: [...characters.slice(0, column - 1), meant, ...characters.slice(end)].join("") })}>
                Use “<Text text={meant} most={80} />”
              </button>
            )}
          </p>
        );
      })}
    </div>
  );
}

function wordLength(characters: string[], at: number): number {
  const end = characters.findIndex((character, index) => index > at && /[\s(),]/.test(character));
  return (end < 0 ? characters.length : end) - at;
}

function Chips() {
  const parts = terms(filter.value);
  if (parts.length === 0) return null;
  return (
    <ul class="chips" aria-label="Terms of the filter">
      {parts.map((part) => (
        <li key={part} class={/^not\b/i.test(part) ? "chip not" : "chip"}>
          <code><Text text={part} most={120} /></code>
          <button type="button" aria-label={`Remove ${part}`} onClick={() => go({ filter: without(filter.value, part) })}>✕</button>
        </li>
      ))}
      {parts.length > 1 && <li><button type="button" class="small" onClick={() => go({ filter: "" })}>Clear all</button></li>}
    </ul>
  );
}

function Range() {
  const { since, until } = place.value;
  const known = isLive.value && RANGES.some(({ value }) => value === since);
  const [custom, setCustom] = useState(false);
  const text = (end: string): string => (end === "" ? "now" : isAge(end) ? `${end} ago` : short(moment(end), zone.value, Date.now()));
  return (
    <div class="range">
      <label>
        <span class="offscreen">Time range</span>
        <select value={known ? since : "custom"} onChange={(event) => {
          const value = event.currentTarget.value;
          if (value === "custom") setCustom(true);
          else go({ since: value, until: "" });
        }}>
          {RANGES.map(({ value, name }) => <option key={value} value={value}>{value === "" ? name : `Last ${name}`}</option>)}
          <option value="custom">{known ? "From … to …" : `${text(since)} – ${text(until)}`}</option>
        </select>
      </label>
      {!isLive.value && <button type="button" class="main" onClick={() => go({ since: "15m", until: "" })}>Back to live</button>}
      {custom && <Custom done={() => setCustom(false)} />}
    </div>
  );
}

function Custom({ done }: { done: () => void }) {
  const [since, setSince] = useState(place.value.since);
  const [until, setUntil] = useState(place.value.until);
  return (
    <form class="popover" aria-label="Custom time range" onSubmit={(event) => {
      event.preventDefault();
      go({ since: since.trim(), until: until.trim() });
      done();
    }}>
      <label>From <input value={since} onInput={(event) => setSince(event.currentTarget.value)} placeholder="1h or 2026-01-30T18:00:00Z" /></label>
      <label>To <input value={until} onInput={(event) => setUntil(event.currentTarget.value)} placeholder="empty: follow live" /></label>
      <div><button type="submit" class="main">Set</button> <button type="button" onClick={done}>Cancel</button></div>
    </form>
  );
}
