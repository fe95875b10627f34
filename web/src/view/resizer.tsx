// The edge of a column's header, moved by dragging or the arrow keys. A double click or Home resets the
// width. The width is stored at the end of a drag.

import { useRef } from "preact/hooks";
import { NARROWEST, STEP, WIDEST, within } from "../model/widths";
import { widths } from "../state";

export function Resizer({ column }: { column: string }) {
  const from = useRef<{ x: number; width: number } | undefined>(undefined);
  const edge = useRef<HTMLSpanElement>(null);
  const now = (): number => Math.round(edge.current?.parentElement?.getBoundingClientRect().width ?? 0);
  const set = (width: number | undefined): void => {
    const { [column]: _, ...rest } = widths.value;
    widths.value = width === undefined ? rest : { ...rest, [column]: within(width) };
  };
  return (
    <span
      ref={edge} class="resizer" role="separator" tabIndex={0} aria-orientation="vertical" aria-label={`Width of ${column}`}
      aria-valuemin={NARROWEST} aria-valuemax={WIDEST} aria-valuenow={widths.value[column] ?? within(now() || 100)}
      title="Drag, or use the arrow keys. Double-click to reset"
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { x: event.clientX, width: now() };
      }}
      onPointerMove={(event) => from.current && set(from.current.width + event.clientX - from.current.x)}
      onPointerUp={() => (from.current = undefined)}
      onPointerCancel={() => (from.current = undefined)}
      onDblClick={() => set(undefined)}
      onKeyDown={(event) => {
        if (event.key === "ArrowLeft") set(now() - STEP);
        else if (event.key === "ArrowRight") set(now() + STEP);
        else if (event.key === "Home") set(undefined);
        else return;
        event.preventDefault();
      }}
    />
  );
}
