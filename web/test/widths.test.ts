// Widths that were set are remembered; whatever a link or a store says, a row stays a row.

import { expect, it } from "vitest";
import { NARROWEST, WIDEST, readWidths, template } from "../src/model/widths";

it("a width that was set is the column's most, and the last takes the rest", () => {
  expect(template(["hostname", "k8s.ns.name", "output"], { hostname: 200 })).toBe("minmax(48px, 200px) minmax(5rem, 12rem) minmax(min(16rem, 32%), 1fr)");
  expect(template(["output", "rule"], { rule: 90, output: 300 })).toBe("minmax(48px, 300px) minmax(6rem, 1fr)");
});

it("names of JavaScript's own are names like others", () => {
  expect(template(["constructor", "__proto__", "output"], {})).toBe("minmax(5rem, 12rem) minmax(5rem, 12rem) minmax(min(16rem, 32%), 1fr)");
});

it("what is remembered is read without trust", () => {
  expect(readWidths(null)).toEqual({});
  expect(readWidths("{not json")).toEqual({});
  expect(readWidths('{"a":"x","b":null,"c":1,"d":99999,"e":120.4}')).toEqual({ c: NARROWEST, d: WIDEST, e: 120 });
});
