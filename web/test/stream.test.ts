// The live stream however it is cut, and what it must pass over.

import { describe, expect, it } from "vitest";
import { isRestart, streamReader } from "../src/model/stream";

function run(...chunks: string[]): unknown[] {
  const told: unknown[] = [];
  const feed = streamReader({
    rows: (items) => told.push(["rows", ...items]), lost: (lost) => told.push(["lost", lost.count]),
    stats: (stats) => told.push(["stats", stats.received]), bye: (reason) => told.push(["bye", reason]),
    retry: (wait) => told.push(["retry", wait]), position: (cursor) => told.push(["position", cursor]),
  });
  chunks.forEach(feed);
  return told;
}
const item = (at: number): string => `{"cursor":"e.${at}","event":{"rule":"r"}}`;

describe("stream", () => {
  it("reads a batch and its position, however it is cut", () => {
    const text = `event: batch\nid: e.2\ndata: ${item(1)}\ndata: ${item(2)}\n\n`;
    const wanted = [["rows", item(1), item(2)], ["position", "e.2"]];
    expect(run(text)).toEqual(wanted);
    expect(run(...text)).toEqual(wanted);
  });
  it("takes the last row's cursor where a batch names none", () => {
    expect(run(`event: batch\ndata: ${item(7)}\n\n`)).toEqual([["rows", item(7)], ["position", "e.7"]]);
  });
  it("moves on where nothing passed, and past signs of life", () => {
    const position = 'event: position\nid: e.9\ndata: {"cursor":"e.9"}\n\n';
    expect(run(`retry: 2000\n${position}`, ":\n", ":\n")).toEqual([["retry", 2000], ["position", "e.9"]]);
  });
  it("tells losses in place, with where to go on", () => {
    expect(run('event: lost\ndata: {"count":3,"first":"e.1","last":"e.3","cause":"x"}\n\n')).toEqual([["lost", 3], ["position", "e.3"]]);
  });
  it("tells that the server began anew, also where it does not know how many were lost", () => {
    expect(run('event: lost\nid: f.4\ndata: {"cause":"the server was restarted","new":[1]}\n\n')).toEqual([["lost", undefined], ["position", "f.4"]]);
    expect(run('event: lost\ndata: {"count":5,"cause":"restart"}\n\n')).toEqual([["lost", 5]]);
    expect(run('event: lost\ndata: {"cause":"too slow"}\n\n')).toEqual([]);
    expect(isRestart({ count: 1, cause: "dropped before it was read" })).toBe(false);
  });
  it("passes over what it does not know or cannot read", () => {
    expect(run('event: new\ndata: 1\n\nevent: stats\ndata: {bad\n\nevent: stats\ndata: {"received":4}\n\nretry: 2000\n\nevent: bye\ndata: {"reason":"r"}\n\n'))
      .toEqual([["stats", 4], ["retry", 2000], ["bye", "r"]]);
  });
});
