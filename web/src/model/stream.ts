// Parses the live stream and calls hooks for rows, losses, statistics and positions. Otherwise pure.
// Unknown and invalid messages are ignored.

import { createParser } from "eventsource-parser";
import { cursorOf } from "./alert";
import type { Lost, Stats } from "./wire";

export interface Hooks {
  rows: (items: string[]) => void;
  lost: (lost: Lost, text: string) => void;
  stats: (stats: Stats) => void;
  bye: (reason: string) => void;
  retry: (milliseconds: number) => void;
  /** Everything up to this cursor was scanned. The stream resumes there. */
  position: (cursor: string) => void;
}

export function streamReader(hooks: Hooks): (chunk: string) => void {
  const parser = createParser({
    onRetry: hooks.retry,
    onEvent: ({ event, id, data }) => {
      switch (event) {
        case "batch": {
          const items = data.split("\n").filter((line) => line !== "");
          if (items.length > 0) hooks.rows(items);
          const last = items.at(-1);
          if (!id && last !== undefined) hooks.position(cursorOf(last));
          break;
        }
        case "lost": {
          const lost = read<Lost>(data);
          if (lost && (typeof lost.count === "number" || isRestart(lost))) {
            hooks.lost(lost, data);
            if (!id && typeof lost.last === "string") hooks.position(lost.last);
          }
          break;
        }
        case "stats": {
          const stats = read<Stats>(data);
          if (stats && typeof stats.received === "number") hooks.stats(stats);
          break;
        }
        case "bye":
          hooks.bye(read<{ reason?: string }>(data)?.reason ?? "");
          break;
      }
      if (id) hooks.position(id);
    },
  });
  return (chunk) => parser.feed(chunk);
}

/** Alerts were lost at a restart. The count can be unknown. */
export function isRestart(lost: Lost): boolean {
  return typeof lost.cause === "string" && /\brestart/i.test(lost.cause);
}

function read<T>(text: string): T | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
