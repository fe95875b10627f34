// Polls while the page is visible, one request at a time. A new key starts a request at once and drops the
// answer in flight.

import { useEffect, useState } from "preact/hooks";
import { Problem } from "../model/api";

export interface Polled<T> {
  data: T | undefined;
  problem: Problem | undefined;
}

export function usePolled<T>(key: string, every: number, ask: (signal: AbortSignal) => Promise<T>): Polled<T> {
  const [answer, setAnswer] = useState<Polled<T> & { of: string }>({ data: undefined, problem: undefined, of: key });
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      const began = performance.now();
      if (!document.hidden) {
        try {
          const data = await ask(abort.signal);
          if (!abort.signal.aborted) setAnswer({ data, problem: undefined, of: key });
        } catch (error) {
          if (abort.signal.aborted) return;
          const problem = error instanceof Problem ? error : new Problem(String(error));
          // The data of another key is not shown for this one.
          setAnswer((last) => ({ data: last.of === key ? last.data : undefined, problem, of: key }));
        }
      }
      // An expensive request is sent less often.
      const took = performance.now() - began;
      if (!abort.signal.aborted && every > 0) timer = setTimeout(() => void run(), Math.max(every, took * 8));
    };
    // Two changes at the same time are one request.
    timer = setTimeout(() => void run(), 20);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, every]);
  return answer;
}
