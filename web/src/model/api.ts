// Requests to the server, with the address, the token and the errors. A problem document (RFC 9457)
// becomes a Problem. Any other failure becomes one too, with status 0.

import { keptAs, outside } from "./base";
import type { Facets, Hints, Histogram, Rules, Status } from "./wire";

const TOKEN = keptAs("token");

export class Problem extends Error {
  status = 0;
  title = "";
  parameter = "";
  column = 0;
  found = "";
  expected = "";
  meant = "";

  static from(status: number, body: unknown): Problem {
    const document = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
    const told = (key: string): string => (typeof document[key] === "string" ? (document[key] as string) : "");
    const problem = new Problem(told("detail") || told("title") || `The server answered ${status}.`);
    problem.status = status;
    problem.title = told("title");
    problem.parameter = told("parameter");
    problem.column = typeof document.column === "number" ? document.column : 0;
    problem.found = told("found");
    problem.expected = told("expected");
    problem.meant = told("meant");
    return problem;
  }
}

export function token(): string {
  try {
    return sessionStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

export function keepToken(value: string): void {
  try {
    if (value === "") sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, value);
  } catch {
    // Without session storage, the browser asks again on the next page.
  }
}

export type Params = Record<string, string | number | undefined>;

/** A path of the server with its parameters. `outside` makes an address from it. */
export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

let onRefused: (problem: Problem) => void = () => undefined;

/** Called when the server requires a credential. */
export function whenRefused(tell: (problem: Problem) => void): void {
  onRefused = tell;
}

export async function request(path: string, params?: Params, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const bearer = token();
  if (bearer !== "") headers.set("authorization", `Bearer ${bearer}`);
  let answer: Response;
  try {
    answer = await fetch(outside(address(path, params)), { cache: "no-store", ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem("The server cannot be reached.");
  }
  if (answer.ok) return answer;
  const problem = Problem.from(answer.status, await answer.json().catch(() => undefined));
  if (answer.status === 401 || answer.status === 403) onRefused(problem);
  throw problem;
}

async function json<T>(path: string, params?: Params, signal?: AbortSignal): Promise<T> {
  return (await request(path, params, signal ? { signal } : {})).json() as Promise<T>;
}

export const histogram = (params: Params, signal?: AbortSignal): Promise<Histogram> =>
  json("/api/v1/histogram", params, signal);

export const facets = (params: Params, signal?: AbortSignal): Promise<Facets> =>
  json("/api/v1/facets", params, signal);

export const rules = (params: Params, signal?: AbortSignal): Promise<Rules> =>
  json("/api/v1/rules", params, signal);

/** Possible mistakes in a filter, according to the retained alerts. */
export const hints = (filter: string, signal?: AbortSignal): Promise<Hints> => json("/api/v1/filter", { filter }, signal);

export const status = (signal?: AbortSignal): Promise<Status> => json("/api/v1/status", {}, signal);
