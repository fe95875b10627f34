// Draws the histogram on a canvas: stacked bars, axes, the hovered bucket, the brush, and a hatch over
// times whose alerts were evicted or lost. It has no state.

import { compact, countMarks, heightOf, powerMarks, timeMarks } from "../model/axis";
import { moment, type Zone } from "../model/time";
import type { Histogram } from "../model/wire";

export const LEFT = 44;
export const RIGHT = 8;
const TOP = 8;
/** The time axis, with the scale switch beside it. */
const BOTTOM = 27;

export interface Look {
  width: number;
  height: number;
  colours: readonly string[];
  soft: string;
  line: string;
  accent: string;
  bad: string;
  /** Counts on a logarithmic scale. */
  log: boolean;
  /** When alerts were lost, in milliseconds. */
  lost: { from: number; to: number }[];
  zone: Zone;
  /** Index of the bucket under the pointer, or -1. */
  hover: number;
  /** Horizontal pixels of the brush, when one is drawn. */
  brush: [number, number] | undefined;
}

export interface Scale {
  from: number;
  to: number;
  /** Pixel of a moment. */
  x: (at: number) => number;
  /** Moment of a pixel. */
  at: (x: number) => number;
}

export function scale(data: Histogram, width: number): Scale {
  const from = moment(data.from);
  const to = Math.max(moment(data.to), from + 1000);
  const wide = Math.max(1, width - LEFT - RIGHT);
  return {
    from, to,
    x: (at) => LEFT + ((at - from) / (to - from)) * wide,
    at: (x) => from + ((Math.min(Math.max(x, LEFT), LEFT + wide) - LEFT) / wide) * (to - from),
  };
}

export function draw(canvas: HTMLCanvasElement, data: Histogram, look: Look): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(look.width * ratio);
  canvas.height = Math.round(look.height * ratio);
  context.scale(ratio, ratio);
  context.font = "11px system-ui, sans-serif";
  const { x, from, to } = scale(data, look.width);
  const floor = look.height - BOTTOM;
  const highest = Math.max(4, ...data.buckets.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0)));
  const y = (count: number): number => floor - heightOf(count, highest * 1.05, look.log) * (floor - TOP);

  axes();
  hatch();
  bars();
  look.lost.forEach(lost);
  brush();

  function axes(): void {
    if (!context) return;
    context.fillStyle = look.soft;
    context.strokeStyle = look.line;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const marks = look.log ? powerMarks : countMarks;
    for (const count of marks(highest, Math.max(2, Math.floor((floor - TOP) / 26)))) {
      context.fillText(compact(count), LEFT - 6, y(count));
      line(LEFT, Math.round(y(count)) + 0.5, look.width - RIGHT, Math.round(y(count)) + 0.5);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const { at, text } of timeMarks(from, to, Math.max(2, Math.floor((look.width - LEFT) / 84)), look.zone)) {
      line(x(at), floor, x(at), floor + 3);
      const half = context.measureText(text).width / 2;
      context.fillText(text, Math.min(look.width - half - 2, Math.max(LEFT + half, x(at))), floor + 7);
    }
  }

  function bars(): void {
    if (!context) return;
    const wide = (data.step_seconds * 1000 * (look.width - LEFT - RIGHT)) / (to - from);
    const gap = wide > 5 ? 1 : 0;
    data.buckets.forEach(({ time, counts }, index) => {
      const left = Math.max(LEFT, x(moment(time)));
      const right = Math.min(look.width - RIGHT, x(moment(time)) + wide - gap);
      context.globalAlpha = look.hover < 0 || look.hover === index ? 1 : 0.6;
      let below = 0;
      counts.forEach((count, priority) => {
        if (count === 0) return;
        context.fillStyle = look.colours[priority] ?? look.soft;
        context.fillRect(left, y(below + count), Math.max(1, right - left), Math.max(1, y(below) - y(below + count)));
        below += count;
      });
    });
    context.globalAlpha = 1;
  }

  function hatch(): void {
    if (!context || !data.oldest) return;
    const end = Math.min(look.width - RIGHT, x(moment(data.oldest)));
    if (end <= LEFT + 2) return;
    lines(LEFT, end, 8);
    const told = "before the oldest alert kept";
    if (end - LEFT > 180) {
      context.textAlign = "left";
      context.textBaseline = "top";
      context.fillText(told, LEFT + 8, TOP + 2);
    }
  }

  /** The hatch over bars whose counts are incomplete. */
  function lost({ from: began, to: ended }: { from: number; to: number }): void {
    if (!context || ended < from || began > to) return;
    const start = Math.floor(Math.min(Math.max(LEFT, x(began)), look.width - RIGHT - 3));
    const end = Math.ceil(Math.min(look.width - RIGHT, Math.max(x(ended), start + 3)));
    context.save();
    context.strokeStyle = look.bad;
    lines(start, end, 5);
    context.fillStyle = look.bad;
    context.fillRect(start, floor, end - start, 2);
    context.restore();
  }

  function lines(start: number, end: number, every: number): void {
    if (!context) return;
    context.save();
    context.beginPath();
    context.rect(start, TOP, end - start, floor - TOP);
    context.clip();
    for (let at = start - look.height; at < end; at += every) line(at, floor, at + floor - TOP, TOP);
    context.restore();
  }

  function brush(): void {
    if (!context || !look.brush) return;
    const [start, end] = look.brush;
    context.fillStyle = look.accent;
    context.globalAlpha = 0.22;
    context.fillRect(Math.min(start, end), TOP, Math.abs(end - start), floor - TOP);
    context.globalAlpha = 1;
  }

  function line(x1: number, y1: number, x2: number, y2: number): void {
    if (!context) return;
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }
}
