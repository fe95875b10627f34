// Text of an attacker: every unseen character has a name, and no text costs more than it may.

import { expect, it } from "vitest";
import { hasOdd, pieces, visible } from "../src/model/visible";

it("names what would not be seen", () => {
  expect(visible("a\u001b[31m\u202eb\u0000\u{e0041}")).toBe("a␛[31mU+202Eb␀U+E0041");
  expect(hasOdd("plain </script> é 漢 👍")).toBe(false);
  expect(pieces("a\u200b\u200bb")).toEqual([{ text: "a", odd: false }, { text: "U+200BU+200B", odd: true }, { text: "b", odd: false }]);
  expect(pieces("")).toEqual([{ text: "", odd: false }]);
});

it("makes a bounded number of pieces, and leaves nothing out", () => {
  const text = "x\u202e".repeat(50_000);
  const few = pieces(text, 40);
  expect(few.length).toBeLessThanOrEqual(42);
  expect(few.map((piece) => piece.text).join("")).toBe(visible(text));
  expect(pieces("\u202e".repeat(50_000), 40)).toHaveLength(1);
});
