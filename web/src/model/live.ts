// Keeps the live stream open. If the connection is lost, it waits, longer each time, and resumes after
// the last position, so that no alert is missed or repeated. It ends only if it is stopped or the server
// requires a credential. A restart of the server is reported by a 410, after which the reader starts
// again, or by `lost` with that cause.

import { Problem, request, type Params } from "./api";
import { streamReader, type Hooks } from "./stream";

export type Phase =
  | { name: "connecting"; attempt: number }
  | { name: "live" }
  | { name: "waiting"; attempt: number; until: number; why: string }
  | { name: "stopped"; why: string };

export interface LiveHooks extends Omit<Hooks, "position" | "bye" | "retry"> {
  phase: (phase: Phase) => void;
  /** Called when the stream is open again. */
  resumed: () => void;
  /** Called when the server was restarted. Earlier positions are then invalid. */
  restarted: () => void;
}

/** The time without a byte after which the connection is dead. The server's heartbeat is 15 s. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export class Live {
  private readonly abort = new AbortController();
  private position: string;
  private attempt = 0;
  private hurry: () => void = () => undefined;

  constructor(
    private readonly filter: string,
    private readonly start: Params,
    after: string,
    private readonly hooks: LiveHooks,
  ) {
    this.position = after;
    void this.run();
  }

  stop(): void {
    this.abort.abort();
    this.hurry();
  }

  /** Ends the pause before the next attempt. */
  now(): void {
    this.hurry();
  }

  private async run(): Promise<void> {
    let cut = false;
    while (!this.abort.signal.aborted) {
      this.hooks.phase({ name: "connecting", attempt: this.attempt });
      let why = "The stream ended.";
      try {
        why = await this.read(cut);
      } catch (error) {
        if (this.abort.signal.aborted) return;
        const problem = error instanceof Problem ? error : undefined;
        why = problem?.message ?? "The connection was lost.";
        if (problem?.status === 410) {
          this.position = "";
          this.hooks.restarted();
          continue;
        }
        if (problem && [400, 401, 403].includes(problem.status)) {
          this.hooks.phase({ name: "stopped", why });
          return;
        }
      }
      cut = true;
      await this.wait(why);
    }
  }

  private async read(cut: boolean): Promise<string> {
    const quiet = new AbortController();
    const signal = AbortSignal.any([this.abort.signal, quiet.signal]);
    const from: Params = this.position === "" ? this.start : { after: this.position };
    let alarm = setTimeout(() => quiet.abort(), SILENCE_MS);
    try {
      const answer = await request(
        "/api/v1/events/stream",
        { filter: this.filter, batch: 1, ...from },
        { signal, headers: { accept: "text/event-stream" } },
      );
      if (answer.body === null) throw new Problem("The server sent no stream.");
      if (this.abort.signal.aborted) return "";
      this.attempt = 0;
      this.hooks.phase({ name: "live" });
      if (cut) this.hooks.resumed();
      let reason = "The stream ended.";
      const feed = streamReader({
        ...this.guarded(),
        bye: (told) => (reason = told || "The server is shutting down."),
        retry: () => undefined,
        position: (cursor) => (this.position = cursor),
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || this.abort.signal.aborted) return reason;
        clearTimeout(alarm);
        alarm = setTimeout(() => quiet.abort(), SILENCE_MS);
        feed(value);
      }
    } catch (error) {
      if (quiet.signal.aborted) throw new Problem("The server stopped responding.");
      throw error;
    } finally {
      clearTimeout(alarm);
      quiet.abort();
    }
  }

  /** Passes nothing on after this reader was stopped. */
  private guarded(): Pick<Hooks, "rows" | "lost" | "stats"> {
    const open = (): boolean => !this.abort.signal.aborted;
    return {
      rows: (items) => open() && this.hooks.rows(items),
      lost: (lost, text) => open() && this.hooks.lost(lost, text),
      stats: (stats) => open() && this.hooks.stats(stats),
    };
  }

  private wait(why: string): Promise<void> {
    if (this.abort.signal.aborted) return Promise.resolve();
    this.attempt += 1;
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.attempt - 1));
    const wait = longest * (0.75 + Math.random() / 4);
    this.hooks.phase({ name: "waiting", attempt: this.attempt, until: Date.now() + wait, why });
    return new Promise((done) => {
      const timer = setTimeout(done, wait);
      this.hurry = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}
