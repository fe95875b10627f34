// Functions whose text is run within the page: each stands alone and gives plain numbers.

/** Gaps between frames for a while, and tasks of more than 100 ms; scrolling down all the time if told. */
export function frames(duration, scrolls) {
  return new Promise((done) => {
    const gaps = [];
    const long = [];
    const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => long.push(entry.duration)));
    observer.observe({ type: "longtask" });
    const table = document.querySelector(".table");
    const end = performance.now() + duration;
    let last = 0;
    const step = (now) => {
      if (last > 0) gaps.push(now - last);
      last = now;
      if (scrolls) table.scrollTop = (table.scrollTop + 90) % (table.scrollHeight - table.clientHeight);
      if (now < end) return requestAnimationFrame(step);
      observer.disconnect();
      gaps.sort((a, b) => a - b);
      const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))] ?? 0;
      return done({ p50: at(0.5), p95: at(0.95), p99: at(0.99), long: long.filter((each) => each > 100).length });
    };
    requestAnimationFrame(step);
  });
}

/**
 * How old alerts are when they come into sight: at every frame that shows a newer one, the age of
 * the oldest that came with it, told by the newest one seen before. The worse end, not the better.
 */
export function ages(duration) {
  return new Promise((done) => {
    const found = [];
    const end = performance.now() + duration;
    let before = 0;
    const step = () => {
      const newest = Date.parse(document.querySelector("[role=row][data-cursor] [title]")?.title ?? "");
      if (newest > before) {
        if (before > 0) found.push(Date.now() - before);
        before = newest;
      }
      if (performance.now() < end) return requestAnimationFrame(step);
      found.sort((a, b) => a - b);
      return done({ p50: found[found.length >> 1], p95: found[Math.floor(found.length * 0.95)] });
    };
    requestAnimationFrame(step);
  });
}

/** When a row with this text is there; ten seconds later at most. */
export function rowOf(wanted) {
  return new Promise((done) => {
    const late = performance.now() + 10_000;
    const look = () => (document.querySelector(".rows")?.textContent.includes(wanted) || performance.now() > late
      ? done(Date.now()) : requestAnimationFrame(look));
    look();
  });
}
