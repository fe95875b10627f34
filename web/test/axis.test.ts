// Where an axis has its marks, and how high a bar stands.

import { expect, it } from "vitest";
import { countMarks, heightOf, powerMarks } from "../src/model/axis";

it("an axis has a mark besides 0", () => {
  expect(countMarks(48, 2)).toEqual([0, 20, 40]);
  expect(countMarks(4, 2)).toEqual([0, 2, 4]);
  expect(countMarks(100, 3)).toEqual([0, 50, 100]);
  for (let highest = 1; highest < 3000; highest += 7) expect(countMarks(highest, 2).length).toBeGreaterThan(1);
});

it("a logarithmic scale shows one beside many", () => {
  expect(heightOf(1, 1000, false)).toBe(0.001);
  expect(heightOf(1, 1000, true)).toBeGreaterThan(0.09);
  expect([heightOf(0, 1000, true), heightOf(1000, 1000, true)]).toEqual([0, 1]);
  expect(powerMarks(2500, 9)).toEqual([1, 10, 100, 1000]);
  expect(powerMarks(2500, 2)).toEqual([1, 100]);
});
