// The keyboard shortcuts, and the switch that disables single keys.

import { useLayoutEffect, useRef } from "preact/hooks";
import { helpOpen, singleKeys } from "../state";

const KEYS: [string, string][] = [
  ["/", "Edit the filter"], ["Space", "Pause and follow"], ["j k ↓ ↑", "Next and previous alert"], ["Enter", "Open the alert"],
  ["Esc", "Close"], ["x", "Select the alert (also Ctrl and click)"], ["c", "Copy as JSON (all selected)"], ["e", "Rule exception"],
  ["[ ]", "Newer and older of the same rule"], ["g Home", "Newest alert, and follow"], ["End", "Oldest loaded alert"],
  ["1 … 8", "Priority at least Emergency … Debug"], ["t", "Local time or UTC"], ["?", "This help"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (helpOpen.value) dialog.current?.showModal();
  }, [helpOpen.value]);
  if (!helpOpen.value) return null;
  return (
    <dialog ref={dialog} aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
      <header><h2 id="help-title">Keyboard</h2><button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>✕</button></header>
      <dl class="keys">
        {KEYS.map(([keys, does]) => <div key={keys}><dt>{keys.split(" ").map((key) => (key === "…" ? " … " : <kbd key={key}>{key}</kbd>))}</dt><dd>{does}</dd></div>)}
      </dl>
      <label><input type="checkbox" checked={singleKeys.value === "on"} onChange={(event) => (singleKeys.value = event.currentTarget.checked ? "on" : "off")} /> Single keys do something</label>
    </dialog>
  );
}
