// Downloads the alerts of the filter and range. With a token it uses fetch, because a link cannot send one.

import { useState } from "preact/hooks";
import { Problem, address, request } from "../model/api";
import { outside } from "../model/base";
import { filter, hasToken, place, say } from "../state";

export function Export() {
  const [open, setOpen] = useState(false);
  const { since, until } = place.value;
  return (
    <div class="menu" onKeyDown={(event) => event.key === "Escape" && setOpen(false)}>
      <button type="button" class="small" aria-expanded={open} onClick={() => setOpen(!open)}>Export</button>
      {open && (
        <div class="popover list" role="group" aria-label="Export">
          {(["ndjson", "csv"] as const).map((format) => {
            const params = { filter: filter.value, since, until, format };
            const name = format === "csv" ? "CSV" : "NDJSON (Falco's own JSON)";
            return hasToken.value
              ? <button key={format} type="button" onClick={() => {
                  setOpen(false);
                  void save(params, format);
                }}>{name}</button>
              : <a key={format} href={outside(address("/api/v1/export", params))} download onClick={() => setOpen(false)}>{name}</a>;
          })}
          <p class="soft">All retained alerts that match the filter and range.</p>
        </div>
      )}
    </div>
  );
}

async function save(params: Record<string, string>, format: string): Promise<void> {
  try {
    const file = URL.createObjectURL(await (await request("/api/v1/export", params)).blob());
    const link = document.createElement("a");
    link.href = file;
    link.download = `alerts.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(file), 60_000);
  } catch (error) {
    say(error instanceof Problem ? error.message : String(error));
  }
}
