// Alerts of any shape are read without a throw and without changing a digit; nothing unseen stays unseen.

import { describe, expect, it } from "vitest";
import { cursorOf, display, nativeJson, priorityOf, readItem, valueOf } from "../src/model/alert";
import { splitItems } from "../src/model/items";
import { pieces, visible } from "../src/model/visible";

describe("alerts", () => {
  const json = '{"output":"o","output_fields":{"evt.time":1769796000123456789,"n":12,"x":null,"l":["a",1]},"priority":"info","rule":"r"}';
  it("keep their JSON byte for byte and their long numbers exact", () => {
    const item = readItem(`{"cursor":"e.1","event":${json}}`);
    expect(item.json).toBe(json);
    expect(item.cursor).toBe("e.1");
    expect(display(item.alert.fields["evt.time"])).toBe("1769796000123456789");
    expect(display(item.alert.fields.x)).toBe("<NA>");
    expect(display(item.alert.fields.l)).toBe('["a",1]');
    expect(item.alert.priority).toBe(6);
    expect(item.alert.hostname).toBe("");
  });
  it("never throw, whatever came", () => {
    for (const text of ["", "{", "null", "[]", "7", '{"cursor":"e.1","event":null}', '{"cursor":"e.1","event":{"tags":"x","output_fields":[1],"priority":7}}']) {
      expect(() => readItem(text)).not.toThrow();
      expect(readItem(text).alert.fields).toEqual({});
    }
    expect(cursorOf("nothing")).toBe("");
    expect(nativeJson("nothing")).toBe("nothing");
    expect(valueOf(readItem("").alert, "constructor")).toBeUndefined();
  });
  it("know Falco's priorities in any case", () => {
    expect(priorityOf("WARNING")).toBe(4);
    expect(priorityOf("Info")).toBe(6);
    expect(priorityOf("fatal")).toBe(-1);
  });
});

describe("a page", () => {
  it("is cut into its items' texts", () => {
    const items = ['{"cursor":"e.1","event":{"output":"a ] } \\" \\\\"}}', '{"cursor":"e.2","event":{"output_fields":{"a":[1,{}]}}}'];
    expect(splitItems(`{"items":[${items.join(",")}],"next":"e.1","complete":false}`)).toEqual(items);
    expect(splitItems('{"items":[],"next":null}')).toEqual([]);
    expect(splitItems("nonsense [")).toEqual([]);
  });
});

describe("what would not be seen", () => {
  it("is shown by name", () => {
    expect(visible("\u001b[31m a\u0000\t\n\u007f")).toBe("␛[31m a␀␉␊␡");
    expect(visible("\u202egnp.exe\u200b\u2066\u061c\ufeff\u0085\u{e0041}\ud800")).toBe("U+202Egnp.exeU+200BU+2066U+061CU+FEFFU+0085U+E0041U+D800");
    expect(pieces("a\u202eb")).toEqual([{ text: "a", odd: false }, { text: "U+202E", odd: true }, { text: "b", odd: false }]);
  });
  it("is nothing else", () => {
    for (const text of ["", "</script><img src=x>", "żółć 日本 עברית 🙂"]) expect(visible(text)).toBe(text);
  });
});
