// Completion of the filter: field names and values from the facets and the loaded alerts. Text changes only
// with Enter, Tab or a click.

import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { bottom, itemAt, top } from "../feed";
import { PRIORITIES, display, valueOf } from "../model/alert";
import { suggest, type Suggestion } from "../model/suggest";
import { facetValues } from "./facets";
import { Text } from "./text";

const LOOKED_AT = 150;

function known(): { fields: string[]; values: (field: string) => string[] } {
  const fields = new Set<string>(facetValues.value.keys());
  const newest = top.value;
  const rows = Array.from({ length: Math.min(LOOKED_AT, newest - bottom.value) }, (_, index) => itemAt(newest - 1 - index));
  for (const row of rows) for (const field of Object.keys(row?.alert.fields ?? {})) fields.add(field);
  return {
    fields: [...fields],
    values: (field) => {
      if (field === "priority") return PRIORITIES.map((each) => each.toLowerCase());
      const found = new Set<string>(facetValues.value.get(field) ?? []);
      for (const row of rows) {
        const value = row && valueOf(row.alert, field);
        if (Array.isArray(value)) value.forEach((each) => found.add(display(each)));
        else if (value !== null && value !== undefined) found.add(display(value));
      }
      return [...found];
    },
  };
}

export interface CompletionState {
  shown: Suggestion[];
  active: number;
  attributes: Record<string, string | boolean | undefined>;
  take: (suggestion: Suggestion) => void;
  onInput: () => void;
  onBlur: () => void;
  onKey: (event: KeyboardEvent) => boolean;
}

export function useCompletion(input: RefObject<HTMLInputElement | null>, set: (text: string) => void): CompletionState {
  const [shown, setShown] = useState<Suggestion[]>([]);
  const [active, setActive] = useState(-1);
  const hide = (): void => {
    setShown([]);
    setActive(-1);
  };
  const offer = (): void => {
    const field = input.current;
    if (!field) return;
    const { fields, values } = known();
    setShown(suggest(field.value, field.selectionStart ?? field.value.length, fields, values));
    setActive(-1);
  };
  const take = (suggestion: Suggestion): void => {
    const field = input.current;
    if (!field) return;
    const text = field.value.slice(0, suggestion.from) + suggestion.text + field.value.slice(suggestion.to);
    const caret = suggestion.from + suggestion.text.length;
    // At once, so that the next character comes after it.
    field.value = text;
    field.focus();
    field.setSelectionRange(caret, caret);
    set(text);
    hide();
    if (/[ (]$/.test(suggestion.text)) offer();
  };
  return {
    shown, active, take,
    attributes: {
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": shown.length > 0, "aria-controls": "suggestions",
      "aria-activedescendant": active >= 0 ? `suggestion-${active}` : undefined,
    },
    onInput: () => requestAnimationFrame(offer),
    onBlur: () => setTimeout(hide, 120),
    onKey: (event) => {
      if (event.key === "ArrowDown" && shown.length === 0) {
        offer();
        event.preventDefault();
        return true;
      }
      if (shown.length === 0) return false;
      const chosen = shown[active];
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const step = event.key === "ArrowDown" ? 1 : -1;
        setActive((active + step + shown.length) % shown.length);
      } else if (event.key === "Enter" && chosen) take(chosen);
      else if (event.key === "Tab" && (chosen ?? shown[0]) && active >= 0) take(chosen as Suggestion);
      else if (event.key === "Escape") hide();
      else {
        if (event.key === "Enter") hide();
        return false;
      }
      event.preventDefault();
      return true;
    },
  };
}

export function Completion({ state }: { state: CompletionState }) {
  return (
    <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden={state.shown.length === 0}>
      {state.shown.map((suggestion, index) => (
        <li
          key={suggestion.text} id={`suggestion-${index}`} role="option" aria-selected={index === state.active}
          onMouseDown={(event) => {
            event.preventDefault();
            state.take(suggestion);
          }}
        >
          <code><Text text={suggestion.shown} most={100} /></code><span class="soft">{suggestion.what}</span>
        </li>
      ))}
    </ul>
  );
}
