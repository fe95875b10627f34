// Parses alerts: Falco's JSON, in which any key can be missing or have another type. It never throws.
// Invalid JSON becomes an empty alert whose output says so.

import { longNumbersAsText } from "./items";

export type FieldValue = string | number | boolean | null | FieldValue[] | { [key: string]: FieldValue };

export interface Alert {
  hostname: string;
  output: string;
  fields: Record<string, FieldValue>;
  /** 0 Emergency … 7 Debug, or -1 if the alert has no known priority. */
  priority: number;
  rule: string;
  source: string;
  tags: string[];
  time: string;
}

export interface Item {
  cursor: string;
  alert: Alert;
  /** The alert's JSON as it arrived, byte for byte. */
  json: string;
}

export const PRIORITIES = [
  "Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug",
] as const;

/** A letter and a mark for each priority, so that colour is not the only sign. */
export const LETTERS = ["M", "A", "C", "E", "W", "N", "I", "D"] as const;

export function priorityOf(name: unknown): number {
  if (typeof name !== "string") return -1;
  const wanted = name.toLowerCase();
  if (wanted === "info") return 6;
  return PRIORITIES.findIndex((each) => each.toLowerCase() === wanted);
}

export function priorityName(priority: number): string {
  return PRIORITIES[priority] ?? "Unknown";
}

const PREFIX = '{"cursor":"';

/** The alert's JSON in an item, unchanged. The whole text if it is not an item. */
export function nativeJson(item: string): string {
  if (!item.startsWith(PREFIX)) return item;
  const at = item.indexOf('","event":', PREFIX.length);
  return at < 0 ? item : item.slice(at + 10, -1);
}

/** The cursor of an item, without parsing all of it. */
export function cursorOf(item: string): string {
  if (!item.startsWith(PREFIX)) return "";
  return item.slice(PREFIX.length, item.indexOf('"', PREFIX.length));
}

export function readItem(text: string): Item {
  let value: unknown;
  try {
    value = JSON.parse(longNumbersAsText(text));
  } catch {
    return { cursor: cursorOf(text), alert: readAlert(undefined), json: nativeJson(text) };
  }
  const item = (value ?? {}) as { cursor?: unknown; event?: unknown };
  const cursor = typeof item.cursor === "string" ? item.cursor : "";
  return { cursor, alert: readAlert(item.event), json: nativeJson(text) };
}

export function readAlert(value: unknown): Alert {
  const raw = (isObject(value) ? value : {}) as Record<string, unknown>;
  return {
    hostname: text(raw.hostname),
    output: value === undefined ? "(this alert could not be read)" : text(raw.output),
    fields: isObject(raw.output_fields) ? (raw.output_fields as Alert["fields"]) : {},
    priority: priorityOf(raw.priority),
    rule: text(raw.rule),
    source: text(raw.source),
    tags: Array.isArray(raw.tags) ? raw.tags.map(text).filter((tag) => tag !== "") : [],
    time: text(raw.time),
  };
}

/** A field's value as one line of text, as Falco would display it. */
export function display(value: FieldValue | undefined): string {
  if (value === null || value === undefined) return "<NA>";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

/** The value of a filter field: an alert's own, or the output field of that name. */
export function valueOf(alert: Alert, field: string): FieldValue | undefined {
  switch (field) {
    case "priority": return alert.priority < 0 ? undefined : priorityName(alert.priority);
    case "rule": case "source": case "hostname": case "output": case "time":
      return alert[field] === "" ? undefined : alert[field];
    case "tags": return alert.tags;
    default: return Object.hasOwn(alert.fields, field) ? alert.fields[field] : undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
