// Asks again every so often while the page is looked at, one question at a time; a new key asks at
// once and forgets the answer under way.

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
          // What is known of another question is no answer to this one.
          setAnswer((last) => ({ data: last.of === key ? last.data : undefined, problem, of: key }));
        }
      }
      // A question that is dear is asked less often.
      const took = performance.now() - began;
      if (!abort.signal.aborted && every > 0) timer = setTimeout(() => void run(), Math.max(every, took * 8));
    };
    // Two changes in one breath are one question.
    timer = setTimeout(() => void run(), 20);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, every]);
  return answer;
}
