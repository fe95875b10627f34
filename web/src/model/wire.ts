// The shapes of the server's answers, as /api/v1 gives them.

export interface Stats {
  received: number;
  retained: number;
  lost: number;
  head: string | null;
  priorities: number[];
  build: string;
  time: string;
}

export interface Lost {
  count: number;
  first: string;
  last: string;
  cause: string;
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
  count: number;
  last: string;
}

export interface Facet {
  field: string;
  values: FacetValue[];
  other: number;
  missing: number;
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
  spark: number[];
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
  inputs: { name: string; received: number; refused: number; last: string | null; error: string | null }[];
  readers: { kind: string; count: number; delivered: number; lag: number }[];
  slowest: { kind: string; name: string | null; lag: number; lost: number }[];
  certificates: { file: string; not_after: string }[];
}
