// Renders text that an attacker may have written, as text nodes, with invisible characters shown by name.
// Also small elements of every page: priority, time, copy button.

import { Fragment, type ComponentChildren } from "preact";
import { LETTERS, priorityName } from "../model/alert";
import { age, clock, day, moment, short } from "../model/time";
import { ODD, ODD_IN_LINES, hasOdd, pieces } from "../model/visible";
import { copy, zone } from "../state";

/** The maximum number of odd pieces in a short text (a cell) and in a long one. Each is an element. */
const DRAWN_SHORT = 40;
const DRAWN_LONG = 1000;
const SHORT = 400;

/**
 * `most` limits the length. A longer text ends in an ellipsis. With `lines`, line breaks stay: only for
 * text without line breaks of an alert.
 */
export function Text({ text, most = SHORT, lines = false }: { text: string; most?: number; lines?: boolean }) {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  const odd = lines ? ODD_IN_LINES : ODD;
  if (!hasOdd(cut, odd)) return <>{cut}</>;
  return (
    <>
      {pieces(cut, most > SHORT ? DRAWN_LONG : DRAWN_SHORT, odd).map((piece) =>
        piece.odd ? <span class="odd" title="An invisible character">{piece.text}</span> : piece.text,
      )}
    </>
  );
}

/** A field name, which wraps at its dots. */
export function FieldName({ field }: { field: string }) {
  return <>{field.slice(0, 120).split(/(?<=\.)/).map((part, at) => <Fragment key={at}>{at > 0 && <wbr />}<Text text={part} /></Fragment>)}</>;
}

export function Priority({ priority, short: brief = false }: { priority: number; short?: boolean }) {
  return (
    <span class={`pri p${priority}`}>
      <b aria-hidden="true">{LETTERS[priority] ?? "?"}</b>
      <span class={brief ? "offscreen" : ""}>{priorityName(priority)}</span>
    </span>
  );
}

/** The time of day, with the full time in the title. */
export function Time({ time, full = false }: { time: string | null | undefined; full?: boolean }) {
  if (!time) return <span class="soft">never</span>;
  const at = moment(time);
  if (Number.isNaN(at)) return <span class="soft"><Text text={time} most={40} /></span>;
  const text = full ? `${day(at, zone.value)} ${clock(at, zone.value)}` : short(at, zone.value, Date.now());
  return <time dateTime={new Date(at).toISOString()} title={`${time.slice(0, 60)} · ${age(at, Date.now())}`}>{text}</time>;
}

export function Ago({ time }: { time: string | null | undefined }) {
  const at = moment(time ?? "");
  return Number.isNaN(at) ? <span class="soft">never</span> : <time dateTime={new Date(at).toISOString()} title={time?.slice(0, 60)}>{age(at, Date.now())}</time>;
}

export function CopyButton({ text, what, children = "Copy" }: { text: string; what: string; children?: ComponentChildren }) {
  return (
    <button type="button" class="small" aria-label={`Copy ${what}`} onClick={() => void copy(text, what)}>
      {children}
    </button>
  );
}

export function CopyIcon() {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.500 5.500v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" />
    </svg>
  );
}

/** The maximum length of a snippet on the page. Its button copies all of it. */
const SNIPPET = 20_000;

/** A snippet with its copy button. It is our text, with invisible characters escaped. */
export function Snippet({ text, what }: { text: string; what: string }) {
  return (
    <div class="snippet">
      <pre tabIndex={0}>{text.length > SNIPPET ? `${text.slice(0, SNIPPET)}…` : text}</pre>
      <CopyButton text={text} what={what} />
    </div>
  );
}

const digits = new Intl.NumberFormat("en");
export const number = (value: number): string => digits.format(value);
/** A number, marked if it is a lower bound. */
export const atLeast = (value: number, exact: boolean): string => (exact ? number(value) : `at least ${number(value)}`);

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let rest = value;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${rest >= 100 || unit === 0 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
}
