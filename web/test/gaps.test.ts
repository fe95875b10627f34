// Where alerts were lost, as far as the alerts around can tell.

import { expect, it } from "vitest";
import { Gaps } from "../src/model/gaps";

it("a gap is between the alerts around it", () => {
  const gaps = new Gaps();
  gaps.end(5);
  expect(gaps.spans).toEqual([]);
  gaps.lose(10, 3);
  gaps.lose(99, 4);
  gaps.end(20);
  gaps.end(30);
  expect(gaps.spans).toEqual([{ from: 10, to: 20, count: 7 }]);
});

it("times may be missing or out of order", () => {
  const gaps = new Gaps();
  gaps.lose(NaN, 1);
  gaps.end(20);
  gaps.lose(40, 2);
  gaps.end(30);
  gaps.lose(NaN, 1);
  gaps.end(NaN);
  expect(gaps.spans).toEqual([{ from: 20, to: 20, count: 1 }, { from: 30, to: 40, count: 2 }]);
});

it("keeps the newest, and forgets a gap that another stream cannot end", () => {
  const gaps = new Gaps();
  for (let at = 0; at < 500; at += 1) {
    gaps.lose(at, 1);
    gaps.end(at + 1);
  }
  expect(gaps.spans).toHaveLength(200);
  expect(gaps.spans.at(-1)).toEqual({ from: 499, to: 500, count: 1 });
  gaps.lose(1000, 1);
  gaps.forget();
  gaps.end(2000);
  expect(gaps.spans.at(-1)?.to).toBe(500);
});
