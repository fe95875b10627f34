// The types of the server's answers.

export interface Stats {
  received: number;
  retained: number;
  lost: number;
  head: string | null;
  priorities: number[];
  build: string;
  time: string;
}

/** Alerts that a reader lost. After a restart of the server the count can be unknown. */
export interface Lost {
  count?: number;
  first?: string;
  last?: string;
  cause?: string;
}

export interface Histogram {
  from: string;
  to: string;
  step_seconds: number;
  buckets: { time: string; counts: number[] }[];
  matched: number;
  scanned: number;
  oldest: string | null;
}

export interface FacetValue {
  value: string;
  /** Whether the value was cut. */
  cut?: boolean;
  count: number;
  last: string;
}

export interface Facet {
  field: string;
  values: FacetValue[];
  other: number;
  /** The number of values; with `capped` a lower bound. */
  distinct: number;
  capped: boolean;
  missing: number;
}

export interface Facets {
  facets: Facet[];
  matched: number;
  scanned: number;
}

export interface RuleRow {
  rule: string;
  source: string;
  priority: string;
  tags: string[];
  count: number;
  first: string;
  last: string;
  hosts: FacetValue[];
  distinct_hosts: number;
  spark: number[];
}

export interface Rules {
  rules: RuleRow[];
  /** The number of alerts of rules that are not in `rules`. */
  other: number;
  matched: number;
  scanned: number;
}

/** A possible mistake in a filter. */
export interface Hint {
  /** In characters from 1. */
  column: number;
  found: string;
  meant: string | null;
  detail: string;
}

export interface Hints {
  hints: Hint[];
  scanned: number;
}

export interface Status {
  version: string;
  build: string;
  epoch: string;
  started: string;
  now: string;
  grpc: string;
  ingest: boolean;
  alerts_received: number;
  alerts_retained: number;
  bytes_retained: number;
  retain: number;
  alerts_lost: number;
  oldest: string | null;
  subscribers: number;
  inputs: { name: string; received: number; refused: number; last: string | null; error: string | null; since: string | null; files: { path: string; error: string | null; since: string | null }[] }[];
  readers: { kind: string; count: number; delivered: number; lag: number }[];
  slowest: { kind: string; name: string | null; lag: number; lost: number }[];
  certificates: { file: string; not_after: string }[];
}
