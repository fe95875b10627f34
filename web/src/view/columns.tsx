// The choice of columns: fields of an alert and output fields, in the order of their addition.

import { useState } from "preact/hooks";
import { bottom, itemAt, top } from "../feed";
import { OWN_FIELDS } from "../model/filter";
import { DEFAULT_COLUMNS } from "../model/place";
import { go, place, widths } from "../state";
import { FieldName } from "./text";

function seenFields(): string[] {
  const fields = new Set<string>();
  for (let row = top.value - 1; row >= Math.max(bottom.value, top.value - 60); row -= 1) {
    for (const field of Object.keys(itemAt(row)?.alert.fields ?? {})) fields.add(field);
  }
  return [...fields].filter((field) => !field.includes(",")).sort();
}

export function Columns() {
  const [open, setOpen] = useState(false);
  const columns = place.value.columns;
  const set = (column: string, on: boolean): void => {
    const rest = columns.filter((each) => each !== column);
    // Output takes the rest of the width, so other columns come before it.
    const at = rest.indexOf("output");
    const next = !on ? rest : at < 0 ? [...rest, column] : [...rest.slice(0, at), column, ...rest.slice(at)];
    go({ columns: next.length > 0 ? next : DEFAULT_COLUMNS }, true);
  };
  return (
    <div class="menu" onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <button type="button" class="small" aria-expanded={open} onClick={() => setOpen(!open)}>Columns</button>
      {open && (
        <div class="popover columns" role="group" aria-label="Columns">
          {[...new Set([...columns, ...OWN_FIELDS, ...seenFields()])].map((column) => (
            <label key={column}>
              <input type="checkbox" checked={columns.includes(column)} onChange={(event) => set(column, event.currentTarget.checked)} />
              <span><FieldName field={column} /></span>
            </label>
          ))}
          <button type="button" class="small" onClick={() => {
            widths.value = {};
            go({ columns: DEFAULT_COLUMNS }, true);
          }}>Reset</button>
        </div>
      )}
    </div>
  );
}
