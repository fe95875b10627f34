// The rows kept: bounded, numbered for good, copied for one who reads on.

import { describe, expect, it } from "vitest";
import { ALERT, LOST, Ring } from "../src/model/ring";

describe("ring", () => {
  it("keeps the newest, by numbers that never change", () => {
    const ring = new Ring(3);
    for (const text of ["a", "b", "c", "d"]) ring.push(ALERT, text);
    expect([ring.low, ring.high, ring.size, ring.full]).toEqual([1, 4, 3, true]);
    expect(ring.text(0)).toBeUndefined();
    expect([1, 2, 3].map((row) => ring.text(row))).toEqual(["b", "c", "d"]);
  });
  it("lets older rows in while there is room", () => {
    const ring = new Ring(3);
    ring.push(ALERT, "new");
    expect(ring.unshift(LOST, "older")).toBe(true);
    expect(ring.unshift(ALERT, "oldest")).toBe(true);
    expect(ring.unshift(ALERT, "no room")).toBe(false);
    expect([-2, -1, 0].map((row) => ring.text(row))).toEqual(["oldest", "older", "new"]);
    expect(ring.kind(-1)).toBe(LOST);
    ring.push(ALERT, "newer");
    expect(ring.text(-2)).toBeUndefined();
    expect(ring.text(1)).toBe("newer");
  });
  it("copies the newest for one who reads on", () => {
    const ring = new Ring(4);
    for (let row = 0; row < 6; row += 1) ring.push(row === 5 ? LOST : ALERT, String(row));
    const copy = ring.copy(2);
    for (let row = 6; row < 20; row += 1) ring.push(ALERT, String(row));
    expect([copy.low, copy.high]).toEqual([4, 6]);
    expect([copy.text(4), copy.text(5), copy.kind(5)]).toEqual(["4", "5", LOST]);
    expect(new Ring(4).copy(2).size).toBe(0);
  });
});
