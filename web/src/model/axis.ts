// The positions of an axis's marks: round counts, and round times in the chosen zone. Pure.

import { clock, day, type Zone } from "./time";

const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
].map((seconds) => seconds * 1000);

/** Marks between two times, at most `most`. */
export function timeMarks(from: number, to: number, most: number, zone: Zone): { at: number; text: string }[] {
  const step = STEPS.find((each) => (to - from) / each <= most) ?? Math.ceil((to - from) / most / 604_800_000) * 604_800_000;
  const offset = zone === "utc" ? 0 : new Date(from).getTimezoneOffset() * 60_000;
  const found: { at: number; text: string }[] = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) {
    found.push({ at, text: step >= 86_400_000 ? day(at, zone).slice(5) : clock(at, zone, false).slice(0, step < 60_000 ? 8 : 5) });
  }
  return found;
}

/** Round counts from 0 to `highest`, in about `steps` steps. */
export function countMarks(highest: number, most: number): number[] {
  const rough = Math.max(1, highest) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  const steps = [1, 2, 5, 10].map((each) => each * power);
  const wide = steps.find((each) => each >= rough) ?? 10 * power;
  // An axis with only 0 is useless, so it gets one more mark.
  const step = wide <= highest ? wide : (steps.filter((each) => each <= highest).at(-1) ?? 1);
  return Array.from({ length: Math.floor(highest / step) + 1 }, (_, at) => at * step);
}

/** Powers of ten up to `highest`, at most so many. */
export function powerMarks(highest: number, most: number): number[] {
  const powers = Math.floor(Math.log10(Math.max(1, highest))) + 1;
  const every = Math.ceil(powers / Math.max(1, most));
  return Array.from({ length: powers }, (_, at) => 10 ** at).filter((_, at) => at % every === 0);
}

/** The height of a count, from 0 to 1. On the logarithmic scale one alert is visible beside many. */
export function heightOf(count: number, highest: number, log: boolean): number {
  return log ? Math.log1p(count) / Math.log1p(highest) : count / highest;
}

export function compact(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e4 ? `${value / 1e3}k` : String(value);
}
