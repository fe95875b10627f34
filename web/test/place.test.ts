// Address bar, times and axes.

import { describe, expect, it } from "vitest";
import { countMarks, timeMarks } from "../src/model/axis";
import { DEFAULT_COLUMNS, read, write } from "../src/model/place";
import { age, clock, moment, resolve, short, span } from "../src/model/time";

describe("the address bar", () => {
  it("reads back what it wrote", () => {
    const place = { page: "live" as const, filter: 'rule = "a + b & c"', since: "2026-01-30T18:00:00Z", until: "1m", event: "e.7", columns: ["time", "proc.name"] };
    const url = new URL(write(place), "http://h");
    expect(read(url.pathname, url.search)).toEqual(place);
  });
  it("is short when nothing is chosen, and forgives", () => {
    expect(write(read("/", ""))).toBe("/");
    expect(write(read("/rules", "?filter=a"))).toBe("/rules?filter=a");
    expect(read("/event", "?event=18fa.1042")).toMatchObject({ page: "event", event: "18fa.1042", columns: DEFAULT_COLUMNS });
    expect(read("/nowhere/%E0", "?cols=,,")).toMatchObject({ page: "live", columns: DEFAULT_COLUMNS });
    expect(() => read("/event", "?event=%E0%A4%A")).not.toThrow();
  });
});

describe("times", () => {
  it("read nine digits", () => {
    expect(clock(moment("2026-01-30T18:00:00.123456789Z"), "utc")).toBe("18:00:00.123");
    expect(moment("never")).toBeNaN();
    expect(clock(Number.NaN, "utc")).toBe("–");
  });
  it("say how long ago", () => {
    expect(span(42_000)).toBe("42 s");
    expect(age(0, 3_600_000 * 5)).toBe("5 h ago");
    expect(age(86_400_000 * 12, 0)).toBe("in 12 d");
    expect(short(0, "utc", 5)).toBe("00:00:00");
    expect(short(0, "utc", 86_400_000)).toBe("1970-01-01 00:00:00");
    expect(resolve("90s", 100_000)).toBe(10_000);
  });
});

describe("axes", () => {
  it("have round marks", () => {
    expect(countMarks(180, 2)).toEqual([0, 100]);
    expect(countMarks(4, 3)).toEqual([0, 2, 4]);
    expect(timeMarks(0, 900_000, 16, "utc").map(({ text }) => text)).toContain("00:05");
    expect(timeMarks(0, 20_000, 5, "utc").map(({ text }) => text)).toEqual(["00:00:00", "00:00:05", "00:00:10", "00:00:15", "00:00:20"]);
    expect(timeMarks(0, 86_400_000 * 6, 7, "utc")[1]?.text).toBe("01-02");
  });
});
