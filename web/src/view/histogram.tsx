// Alerts by time and priority, counted by the server over all retained alerts. Dragging sets the range, and
// a click selects one bar. Both leave the live mode. Screen readers get the numbers as text.

import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { lostSpans } from "../feed";
import { histogram as ask } from "../model/api";
import { PRIORITIES } from "../model/alert";
import { DARK, LIGHT } from "../model/colours";
import { moment, short } from "../model/time";
import type { Histogram as Answer } from "../model/wire";
import { counts, dark, filter, go, narrow, place, zone } from "../state";
import { draw, scale } from "./bars";
import { usePolled } from "./polled";
import { Priority, number } from "./text";

const LEAST_MS = 1000;
const DRAG_PX = 4;

/** The number of alerts that match; undefined until they were counted. */
export const matched = signal<number | undefined>(undefined);

export function Histogram() {
  const { since, until } = place.value;
  const buckets = narrow.value ? 40 : 100;
  const key = JSON.stringify([filter.value, since, until, buckets]);
  const { data } = usePolled(key, until === "" ? 2000 : 0, async (abort) => {
    const answer = await ask({ filter: filter.value, since, until, buckets }, abort);
    matched.value = answer.matched;
    return answer;
  });
  // Counts of another filter are not used.
  useLayoutEffect(() => {
    matched.value = undefined;
  }, [filter.value, since, until]);
  const height = narrow.value ? 70 : 108;
  return (
    <section class="histogram" aria-label="Alerts over time">
      <Plot data={data} height={height} />
      <button
        type="button" class="small scale" aria-pressed={counts.value === "log"} title="Logarithmic scale, to show small counts beside large ones"
        onClick={() => (counts.value = counts.value === "log" ? "linear" : "log")}
      >log<span class="offscreen"> scale</span></button>
    </section>
  );
}

function Plot({ data, height }: { data: Answer | undefined; height: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState(-1);
  const [brush, setBrush] = useState<[number, number]>();

  useLayoutEffect(() => {
    const box = canvas.current?.parentElement;
    if (!box) return undefined;
    const observer = new ResizeObserver(() => setWidth(box.clientWidth));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (!canvas.current || !data || width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    draw(canvas.current, data, {
      width, height, hover, brush, zone: zone.value, colours: dark.value ? DARK : LIGHT,
      soft: colour("--soft"), line: colour("--line"), accent: colour("--accent"), bad: colour("--bad"),
      log: counts.value === "log", lost: lostSpans.value,
    });
  }, [data, width, height, hover, brush, dark.value, zone.value, counts.value, lostSpans.value]);

  const bucketAt = (x: number): number => {
    if (!data) return -1;
    const at = scale(data, width).at(x);
    return data.buckets.findIndex(({ time }) => at >= moment(time) && at < moment(time) + data.step_seconds * 1000);
  };
  const release = (x: number): void => {
    setBrush(undefined);
    if (!data || !brush) return;
    const { at } = scale(data, width);
    if (Math.abs(x - brush[0]) >= DRAG_PX) {
      setRange(at(Math.min(x, brush[0])), at(Math.max(x, brush[0])));
      return;
    }
    const bucket = data.buckets[bucketAt(x)];
    if (bucket && data.step_seconds * 1000 > LEAST_MS) setRange(moment(bucket.time), moment(bucket.time) + data.step_seconds * 1000);
  };
  const bucket = data?.buckets[hover];
  return (
    <>
      <canvas
        ref={canvas} class="plot" role="img" aria-label={summary(data)} style={{ height: `${height}px` }}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          setBrush([event.offsetX, event.offsetX]);
        }}
        onPointerMove={(event) => {
          setHover(bucketAt(event.offsetX));
          if (brush) setBrush([brush[0], event.offsetX]);
        }}
        onPointerUp={(event) => release(event.offsetX)}
        onPointerCancel={() => setBrush(undefined)}
        onPointerLeave={() => setHover(-1)}
      />
      {bucket && (
        <div class="hover" aria-hidden="true">
          <b>{short(moment(bucket.time), zone.value, Date.now())}</b>
          {bucket.counts.map((count, priority) => count > 0 && <span key={priority}><Priority priority={priority} /> {number(count)}</span>)}
          {bucket.counts.every((count) => count === 0) && <span class="soft">no alert</span>}
        </div>
      )}
    </>
  );
}

function summary(data: Answer | undefined): string {
  if (!data) return "Alerts over time";
  const sums = PRIORITIES.map((name, at) => ({ name, sum: data.buckets.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0) }));
  const told = sums.filter(({ sum }) => sum > 0).map(({ name, sum }) => `${name} ${number(sum)}`);
  const from = short(moment(data.from), zone.value, Date.now());
  const to = short(moment(data.to), zone.value, Date.now());
  const lost = lostSpans.value.filter((span) => span.to >= moment(data.from) && span.from <= moment(data.to)).reduce((sum, { count }) => sum + count, 0);
  return `${number(data.matched)} alerts from ${from} to ${to}: ${told.join(", ") || "none"}${lost > 0 ? `; ${number(lost)} more were lost` : ""}`;
}

function setRange(from: number, to: number): void {
  const time = (at: number): string => new Date(at).toISOString();
  go({ since: time(from), until: time(Math.max(to, from + LEAST_MS)), event: "" });
}
