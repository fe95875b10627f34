// What a click and a key write into the filter reads back as meant.

import { describe, expect, it } from "vitest";
import { add, also, chosen, fieldName, narrowed, quote, remove, simple, terms, threshold, toggle, toggleTerm, tokens, unquote, without, writable } from "../src/model/filter";
import { suggest } from "../src/model/suggest";

describe("quoting", () => {
  it("leaves bare what reads the same", () => {
    for (const text of ["prod", "kube-system", "/etc/shadow", "docker.io/library/nginx", "10.0.0.1:443"]) expect(quote(text)).toBe(text);
  });
  it("quotes what would read otherwise, and reads it back", () => {
    for (const text of ["", "and", "OR", "contains", "a b", "a,b", "(x", "it's", 'say "hi"', "a\\", "\\d+", '\\"', "a=b", "ü", "<NA>"]) {
      const written = quote(text);
      expect(written.startsWith('"')).toBe(true);
      expect(tokens(`a = ${written}`)).toHaveLength(3);
      expect(unquote(written)).toBe(text);
    }
  });
  it("quotes output fields that could be taken for an alert's own", () => {
    expect(fieldName("rule")).toBe("rule");
    expect(fieldName("rule", false)).toBe('"rule"');
    expect(fieldName("proc.aname[2]")).toBe("proc.aname[2]");
    expect(fieldName("n_drops")).toBe('"n_drops"');
    expect(fieldName("a b.c")).toBe('"a b.c"');
  });
  it("knows what cannot be written", () => {
    expect(writable("plain")).toBe(true);
    expect(writable("\u001b[31m")).toBe(false);
    expect(writable("x".repeat(3000))).toBe(false);
  });
});

describe("terms", () => {
  it("are those of the outermost and", () => {
    expect(terms("a = b and (c = d and e = f) and not g exists")).toEqual(["a = b", "(c = d and e = f)", "not g exists"]);
    expect(terms('a = "x and y" AND b = c')).toEqual(['a = "x and y"', "b = c"]);
    expect(terms("a = b or c = d and e = f")).toEqual(["a = b or c = d and e = f"]);
    expect(terms("  ")).toEqual([]);
  });
  it("can be taken away", () => {
    expect(without("a = b and c = d", "a = b")).toBe("c = d");
  });
  it("read as a click made them", () => {
    expect(simple("not proc.name in (sh, \"a b\")")).toEqual({ not: true, field: "proc.name", values: ["sh", "a b"] });
    expect(simple("a startswith b")).toBeUndefined();
  });
});

describe("clicks", () => {
  it("add, widen and take back", () => {
    let filter = add("", "proc.name", "sh");
    expect(filter).toBe("proc.name = sh");
    filter = add(filter, "proc.name", "bash");
    expect(filter).toBe("proc.name in (sh, bash)");
    expect(chosen(filter, "proc.name", "bash")).toBe("yes");
    filter = toggle(filter, "proc.name", "bash", true);
    expect(filter).toBe("proc.name = sh and not proc.name = bash");
    expect(chosen(filter, "proc.name", "bash")).toBe("not");
    filter = remove(filter, "proc.name", "sh");
    expect(toggle(filter, "proc.name", "bash", true)).toBe("");
  });
  it("put brackets round an or", () => {
    expect(add("a.b = c or d.e = f", "rule", "X Y")).toBe('(a.b = c or d.e = f) and rule = "X Y"');
    expect(threshold("a.b = c or d.e = f", "Error")).toBe("(a.b = c or d.e = f) and priority >= error");
  });
  it("replace the threshold", () => {
    expect(threshold("priority >= debug and x.y exists", "Error")).toBe("x.y exists and priority >= error");
  });
});

describe("links", () => {
  it("narrow the filter in force, whatever it is", () => {
    expect(narrowed("", "rule", "A B")).toBe('rule = "A B"');
    expect(narrowed("priority >= error and not hostname = x", "rule", "A")).toBe("priority >= error and not hostname = x and rule = A");
    expect(narrowed("proc.name = a or proc.name = b", "hostname", "h")).toBe("(proc.name = a or proc.name = b) and hostname = h");
  });
  it("take the place of what is wider, and of nothing else", () => {
    expect(narrowed("rule in (A, B) and not rule in (C, D)", "rule", "A")).toBe("not rule in (C, D) and rule = A");
    expect(narrowed("rule = A", "rule", "A")).toBe("rule = A");
    expect(narrowed("rule glob A*", "rule", "AB")).toBe("rule glob A* and rule = AB");
    expect(narrowed("x.y = z", "rule", "")).toBe("x.y = z and not rule exists");
  });
  it("want each tag that was clicked, since an alert has several", () => {
    const both = add(add("", "tags", "T1059"), "tags", "shell");
    expect(both).toBe("tags = T1059 and tags = shell");
    expect(toggle(both, "tags", "T1059")).toBe("tags = shell");
    expect(add(add("", "tags", "a", true), "tags", "b", true)).toBe("not tags in (a, b)");
  });
  it("put brackets round an or before a term that stands alone", () => {
    const without = toggleTerm("a.b = c or d.e = f", "not proc.name exists");
    expect(without).toBe("(a.b = c or d.e = f) and not proc.name exists");
    expect(toggleTerm(without, "not proc.name exists")).toBe("(a.b = c or d.e = f)");
    expect(also("a.b = c", "a.b = c")).toBe("a.b = c");
  });
});

describe("suggestions", () => {
  const values = (field: string): string[] => (field === "proc.name" ? ["bash", "sh", "a b"] : []);
  const shown = (text: string): string[] => suggest(text, text.length, ["proc.name", "proc.pname"], values).map((each) => each.text);
  it("are fields, operators, values, in that order", () => {
    expect(shown("pr")).toContain("proc.name ");
    expect(shown("pr")).toContain("priority ");
    expect(shown("proc.name ")).toContain("= ");
    expect(shown("proc.name = ")).toEqual(["bash", "sh", '"a b"']);
    expect(shown("proc.name in (ba")).toEqual(["bash"]);
    expect(shown("proc.name in (bash, ")).toContain("sh");
    expect(shown("proc.name = bash ")).toEqual(["and ", "or "]);
    expect(shown("proc.name = bash and not proc.p")).toEqual(["proc.pname "]);
  });
});
