// Alerts over time, stacked by priority, counted by the server over all it keeps. Dragging over it
// sets the range, a click takes one bar's; both leave the live mode. The same numbers are told as
// text to those who cannot see it.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { histogram as ask } from "../model/api";
import { PRIORITIES } from "../model/alert";
import { DARK, LIGHT } from "../model/colours";
import { clock, moment, short } from "../model/time";
import type { Histogram as Answer } from "../model/wire";
import { dark, filter, go, narrow, place, zone } from "../state";
import { usePolled } from "./polled";
import { Priority, number } from "./text";

const LEAST_SECONDS = 1;

export function Histogram() {
  const { since, until } = place.value;
  const buckets = narrow.value ? 40 : 100;
  const key = JSON.stringify([filter.value, since, until, buckets]);
  const { data } = usePolled(key, until === "" ? 2000 : 0, (signal) => ask({ filter: filter.value, since, until, buckets }, signal));
  const [hover, setHover] = useState(-1);
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef<Answer | undefined>(undefined);
  latest.current = data;
  const height = narrow.value ? 64 : 104;

  useEffect(() => {
    const holder = box.current;
    if (!holder || !data) return undefined;
    const plot = new uPlot(options(holder.clientWidth, height, latest, setHover), stacked(data), holder);
    const resized = new ResizeObserver(() => plot.setSize({ width: holder.clientWidth, height }));
    resized.observe(holder);
    plots.set(holder, plot);
    return () => {
      resized.disconnect();
      plots.delete(holder);
      plot.destroy();
    };
  }, [data !== undefined, dark.value, zone.value, height]);

  useEffect(() => {
    if (box.current && data) plots.get(box.current)?.setData(stacked(data));
  }, [data]);

  const bucket = hover >= 0 ? data?.buckets[hover] : undefined;
  return (
    <section class="histogram" aria-label="Alerts over time">
      <div ref={box} class="plot" role="img" aria-label={summary(data)} style={{ height: `${height}px` }} />
      {bucket && (
        <div class="hover" aria-hidden="true">
          <b>{short(moment(bucket.time), zone.value, Date.now())}</b>
          {bucket.counts.map((count, priority) => count > 0 && (
            <span key={priority}><Priority priority={priority} /> {number(count)}</span>
          ))}
          {bucket.counts.every((count) => count === 0) && <span class="soft">no alert</span>}
        </div>
      )}
    </section>
  );
}

const plots = new WeakMap<HTMLElement, uPlot>();

function summary(data: Answer | undefined): string {
  if (!data) return "Alerts over time";
  const sums = PRIORITIES.map((name, at) => ({ name, sum: data.buckets.reduce((sum, { counts }) => sum + (counts[at] ?? 0), 0) }));
  const told = sums.filter(({ sum }) => sum > 0).map(({ name, sum }) => `${name} ${number(sum)}`);
  const from = short(moment(data.from), zone.value, Date.now());
  const to = short(moment(data.to), zone.value, Date.now());
  return `${number(data.matched)} alerts from ${from} to ${to}: ${told.join(", ") || "none"}`;
}

/** The least severe at the bottom of the sums, the most severe drawn at the base of each bar. */
function stacked(data: Answer): uPlot.AlignedData {
  const half = data.step_seconds / 2;
  const times = data.buckets.map(({ time }) => moment(time) / 1000 + half);
  const sums: number[][] = [];
  let below = data.buckets.map(() => 0);
  for (let priority = 0; priority < 8; priority += 1) {
    below = below.map((sum, at) => sum + (data.buckets[at]?.counts[priority] ?? 0));
    sums.unshift(below);
  }
  return [times, ...sums];
}

function options(
  width: number, height: number, latest: { current: Answer | undefined }, setHover: (index: number) => void,
): uPlot.Options {
  const colours = dark.value ? DARK : LIGHT;
  const style = getComputedStyle(document.documentElement);
  const soft = style.getPropertyValue("--soft").trim();
  const line = style.getPropertyValue("--line").trim();
  const font = "11px system-ui, sans-serif";
  const bars = uPlot.paths.bars?.({ size: [0.86, 40], align: 0 });
  return {
    width, height, legend: { show: false }, padding: [8, 8, 0, 0],
    tzDate: (seconds) => (zone.value === "utc" ? uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC") : new Date(seconds * 1e3)),
    cursor: { y: false, drag: { x: true, y: false, setScale: false, dist: 4 }, points: { show: false } },
    scales: {
      x: { range: () => {
        const data = latest.current;
        return data ? [moment(data.from) / 1e3, Math.max(moment(data.to) / 1e3, moment(data.from) / 1e3 + 1)] : [0, 1];
      } },
      y: { range: (_plot, _low, high) => [0, Math.max(4, (high ?? 0) * 1.08)] },
    },
    axes: [
      { stroke: soft, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 22, gap: 2, space: 80,
        values: (_plot, ticks) => ticks.map((tick, at) => {
          const text = clock(tick * 1e3, zone.value, false);
          const step = (ticks[1] ?? tick) - (ticks[0] ?? tick);
          return step >= 86_400 ? short(tick * 1e3, zone.value, at === -1 ? 0 : Date.now()).slice(5, 10) : step < 60 ? text : text.slice(0, 5);
        }) },
      { stroke: soft, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 44, gap: 4, space: 28,
        values: (_plot, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? compact(tick) : "")) },
    ],
    series: [{}, ...Array.from({ length: 8 }, (_, at): uPlot.Series => ({
      fill: colours[7 - at] as string, width: 0, points: { show: false }, ...(bars ? { paths: bars } : {}),
    }))],
    hooks: {
      drawClear: [(plot) => hatchForgotten(plot, latest.current, line)],
      setCursor: [(plot) => setHover(plot.cursor.idx ?? -1)],
      setSelect: [(plot) => {
        const { left, width: wide } = plot.select;
        if (wide < 4) return;
        setRange(plot.posToVal(left, "x"), plot.posToVal(left + wide, "x"));
        plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }],
      ready: [(plot) => plot.over.addEventListener("click", () => {
        const index = plot.cursor.idx;
        const data = latest.current;
        const bucket = index == null ? undefined : data?.buckets[index];
        if (!data || !bucket || plot.select.width > 0 || data.step_seconds <= LEAST_SECONDS) return;
        setRange(moment(bucket.time) / 1e3, moment(bucket.time) / 1e3 + data.step_seconds);
      })],
    },
  };
}

function setRange(from: number, to: number): void {
  const time = (seconds: number): string => new Date(seconds * 1e3).toISOString();
  go({ since: time(from), until: time(Math.max(to, from + LEAST_SECONDS)), event: "" });
}

/** What the server no longer keeps is hatched: empty there does not mean quiet. */
function hatchForgotten(plot: uPlot, data: Answer | undefined, colour: string): void {
  if (!data?.oldest) return;
  const { ctx, bbox } = plot;
  const end = Math.min(bbox.left + bbox.width, plot.valToPos(moment(data.oldest) / 1e3, "x", true));
  if (end <= bbox.left + 2) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, end - bbox.left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let x = bbox.left - bbox.height; x < end; x += 8) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

function compact(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${value / 1e3}k` : number(value);
}
