// Formats times in the chosen zone, and parses ranges as the server does (an age or a time). Pure.

export type Zone = "local" | "utc";

/** The milliseconds of an RFC 3339 time, or NaN. */
export function moment(time: string): number {
  // Browsers are only required to parse three fraction digits. Falco writes nine.
  return Date.parse(time.replace(/(\.\d{3})\d+/, "$1"));
}

const two = (number: number): string => String(number).padStart(2, "0");

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number; ms: number }

function parts(at: Date, zone: Zone): Parts {
  return zone === "utc"
    ? { year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate(), hour: at.getUTCHours(), minute: at.getUTCMinutes(), second: at.getUTCSeconds(), ms: at.getUTCMilliseconds() }
    : { year: at.getFullYear(), month: at.getMonth() + 1, day: at.getDate(), hour: at.getHours(), minute: at.getMinutes(), second: at.getSeconds(), ms: at.getMilliseconds() };
}

/** `18:00:00.123` */
export function clock(at: number, zone: Zone, millis = true): string {
  if (Number.isNaN(at)) return "–";
  const { hour, minute, second, ms } = parts(new Date(at), zone);
  const text = `${two(hour)}:${two(minute)}:${two(second)}`;
  return millis ? `${text}.${String(ms).padStart(3, "0")}` : text;
}

/** `2026-01-30` */
export function day(at: number, zone: Zone): string {
  if (Number.isNaN(at)) return "–";
  const { year, month, day: date } = parts(new Date(at), zone);
  return `${year}-${two(month)}-${two(date)}`;
}

/** Day and time. Today's date is left out. */
export function short(at: number, zone: Zone, now: number, millis = false): string {
  const text = clock(at, zone, millis);
  return day(at, zone) === day(now, zone) ? text : `${day(at, zone)} ${text}`;
}

/** A rounded duration: `42 s`, `3 min`, `5 h`, `2 d`. */
export function span(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function age(at: number, now: number): string {
  if (Number.isNaN(at)) return "";
  return at > now + 1500 ? `in ${span(at - now)}` : `${span(now - at)} ago`;
}

export const RANGES = [
  { value: "5m", name: "5 min" }, { value: "15m", name: "15 min" }, { value: "1h", name: "1 h" },
  { value: "6h", name: "6 h" }, { value: "24h", name: "24 h" }, { value: "7d", name: "7 d" },
  { value: "", name: "All kept" },
] as const;

const AGE = /^(\d+)(s|m|h|d)$/;
const UNITS: Record<string, number> = { s: 1e3, m: 6e4, h: 36e5, d: 864e5 };

export function isAge(text: string): boolean {
  return AGE.test(text);
}

/** The end of a range in milliseconds, or NaN. */
export function resolve(text: string, now: number): number {
  const match = AGE.exec(text);
  return match ? now - Number(match[1]) * (UNITS[match[2] ?? "s"] ?? 1e3) : moment(text);
}
