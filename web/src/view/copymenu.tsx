// The menu "Copy as": an alert as JSON, as commands, as a link, as a filter, or as a Falco rule exception
// with the selected fields. It only builds text.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { request, status } from "../model/api";
import { ROOT } from "../model/base";
import { display, nativeJson, type Item } from "../model/alert";
import { curlAlert, curlStream, exceptionYaml, filterOf, grpcurl, isPlain, usualFields } from "../model/copyas";
import { copy, filter, hasToken, href, say, serverStatus } from "../state";
import { Snippet, Text } from "./text";

export async function grpcAddress(): Promise<string> {
  serverStatus.value ??= await status().catch(() => undefined);
  return serverStatus.value?.grpc ?? "";
}

/** The alert as grpcurl prints it. The server formats it, so it must still retain the alert. */
async function protojson(cursor: string): Promise<string> {
  return nativeJson((await (await request(`/api/v1/events/${encodeURIComponent(cursor)}`, { format: "protojson" })).text()).trim());
}

export function CopyMenu({ item }: { item: Item }) {
  const [open, setOpen] = useState(false);
  const [excepting, setExcepting] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const away = (event: MouseEvent): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("mousedown", away);
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    return () => removeEventListener("mousedown", away);
  }, [open]);
  const { alert, cursor, json } = item;
  const entries: [string, () => string | Promise<string>][] = [
    ["JSON", () => json],
    ["Protobuf JSON", () => protojson(cursor)],
    ["Permalink", () => location.origin + href({ page: "event", event: cursor })],
    ["curl, this alert", () => curlAlert(ROOT, cursor, hasToken.value)],
    ["curl, live with this filter", () => curlStream(ROOT, filter.value, hasToken.value)],
    ["grpcurl, live with this filter", async () => grpcurl(await grpcAddress(), filter.value) || "# gRPC is off on this server (grpc.enabled)"],
    ["Filter for alerts like this", () => filterOf(alert, usualFields(alert))],
  ];
  const move = (event: KeyboardEvent): void => {
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Escape") {
      setOpen(false);
      box.current?.querySelector("button")?.focus();
    } else if (event.key === "ArrowDown") all[(at + 1) % all.length]?.focus();
    else if (event.key === "ArrowUp") all[(at - 1 + all.length) % all.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={open ? move : undefined}>
      <button type="button" aria-haspopup="menu" aria-expanded={open} onClick={() => setOpen(!open)}>Copy as ▾</button>
      {open && (
        <div class="popover list" role="menu" aria-label="Copy as">
          {entries.map(([name, make]) => (
            <button key={name} type="button" role="menuitem" onClick={() => {
              setOpen(false);
              void Promise.resolve(make()).then((text) => copy(text, name), (error: unknown) => say(error instanceof Error ? error.message : String(error)));
            }}>{name}</button>
          ))}
          <button type="button" role="menuitem" onClick={() => {
            setOpen(false);
            setExcepting(true);
          }}>Falco rule exception…</button>
        </div>
      )}
      {excepting && <Exception item={item} close={() => setExcepting(false)} />}
    </div>
  );
}

export function Exception({ item, close }: { item: Item; close: () => void }) {
  const { alert } = item;
  const [fields, setFields] = useState(usualFields(alert));
  const [name, setName] = useState("from_falconer");
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const able = Object.keys(alert.fields).filter((field) => isPlain(alert.fields[field])).sort();
  const clean = name.replace(/[^\w]/g, "_") || "from_falconer";
  return (
    <dialog ref={dialog} class="wide" onClose={close} aria-labelledby="exception-title">
      <header><h2 id="exception-title">Falco rule exception</h2><button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>✕</button></header>
      <p>Select the fields that make this alert harmless. The exception applies if all of them match.</p>
      <div class="exception">
        <div class="ticks" role="group" aria-label="Fields of the exception" tabIndex={0}>
          {able.map((field) => (
            <label key={field}>
              <input type="checkbox" checked={fields.includes(field)} onChange={(event) =>
                setFields(event.currentTarget.checked ? [...fields, field] : fields.filter((each) => each !== field))} />
              <span><b>{field}</b> <span class="mono soft"><Text text={display(alert.fields[field])} most={60} /></span></span>
            </label>
          ))}
        </div>
        <div>
          <label class="name">Name of the exception <input value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
          {fields.length === 0 ? <p class="notice">Without a field, the exception would apply to every alert of the rule.</p>
            : <Snippet text={exceptionYaml(alert, fields, clean)} what="Exception" />}
        </div>
      </div>
    </dialog>
  );
}
