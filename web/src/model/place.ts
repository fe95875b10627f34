// The state in the address bar: page, filter, range, columns and open alert. Pure: parses and writes
// paths. Unknown pages become the live page, and unknown parameters are dropped. All pages are in one
// folder, so that each finds the root behind a proxy's prefix.

export type Page = "live" | "rules" | "nodes" | "status" | "event";

export interface Place {
  page: Page;
  filter: string;
  since: string;
  until: string;
  /** The cursor of the open alert, beside the table or on the event page. */
  event: string;
  columns: string[];
}

export const DEFAULT_SINCE = "15m";
export const DEFAULT_COLUMNS = ["time", "priority", "hostname", "rule", "output"];

export function read(path: string, query: string): Place {
  const params = new URLSearchParams(query);
  const pages: Record<string, Page> = { "/rules": "rules", "/nodes": "nodes", "/status": "status", "/event": "event" };
  const columns = (params.get("cols") ?? "").split(",").filter((each) => each !== "");
  return {
    page: pages[path.replace(/\/$/, "")] ?? "live",
    filter: params.get("filter") ?? "",
    since: params.get("since") ?? DEFAULT_SINCE,
    until: params.get("until") ?? "",
    event: params.get("event") ?? "",
    columns: columns.length > 0 ? columns.slice(0, 12) : DEFAULT_COLUMNS,
  };
}

export function write(place: Place): string {
  const params = new URLSearchParams();
  if (place.filter !== "") params.set("filter", place.filter);
  if (place.since !== DEFAULT_SINCE) params.set("since", place.since);
  if (place.until !== "") params.set("until", place.until);
  if (place.event !== "" && (place.page === "live" || place.page === "event")) params.set("event", place.event);
  if (place.columns.join() !== DEFAULT_COLUMNS.join()) params.set("cols", place.columns.join());
  const path = place.page === "live" ? "/" : `/${place.page}`;
  // Spaces are written as %20, and characters of filters stay readable.
  const query = params.toString().replaceAll("+", "%20");
  return query === "" ? path : `${path}?${query}`;
}
