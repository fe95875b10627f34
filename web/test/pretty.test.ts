// JSON as it is shown: line breaks are ours, marks are for what an alert has in it.

import { describe, expect, it } from "vitest";
import { pretty } from "../src/model/pretty";
import { ODD_IN_LINES, hasOdd, pieces } from "../src/model/visible";

describe("an alert's JSON", () => {
  it("is indented as JSON is", () => {
    const alert = { rule: "a {b}, [c]: \"d\" \\", output_fields: { "proc.pid": 1, list: [1, [], {}], none: null }, tags: [] };
    expect(pretty(JSON.stringify(alert))).toBe(JSON.stringify(alert, null, 2));
    expect(pretty('{"evt.time":1769796000123456789,"f":1.50}')).toBe('{\n  "evt.time": 1769796000123456789,\n  "f": 1.50\n}');
  });
  it("has its own line breaks unmarked, and everything else that is not seen marked", () => {
    const text = pretty('{"a":"x\u202ey\u007f","b":1}');
    expect(pieces(text, Infinity, ODD_IN_LINES)).toEqual([
      { text: '{\n  "a": "x', odd: false }, { text: "U+202E", odd: true }, { text: "y", odd: false },
      { text: "␡", odd: true }, { text: '",\n  "b": 1\n}', odd: false },
    ]);
    expect(hasOdd(pretty('{"a":1,"b":[2]}'), ODD_IN_LINES)).toBe(false);
    for (const odd of ["\t", "\u000b", "\r", "\u0000", "\u001f", "\u2028", "\ufeff"]) expect(hasOdd(odd, ODD_IN_LINES)).toBe(true);
  });
  it("takes no line break from a string, though JSON would not allow one there", () => {
    expect(pretty('{"a":"x\ny"}')).toBe('{\n  "a": "x␊y"\n}');
  });
});
