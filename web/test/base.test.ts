// Addresses behind a proxy's prefix, and without one.

import { expect, it } from "vitest";
import { inside, keptAs, outside } from "../src/model/base";

it("addresses get the prefix and lose it again", () => {
  for (const base of ["/", "/falconer/", "/a/b/"]) {
    for (const path of ["/", "/rules?filter=a", "/api/v1/status"]) expect(inside(outside(path, base), base)).toBe(path);
  }
  expect(outside("/api/v1/status", "/falconer/")).toBe("/falconer/api/v1/status");
  expect(outside("/", "/falconer/")).toBe("/falconer/");
  expect(inside("/elsewhere", "/falconer/")).toBe("/elsewhere");
});

it("what the browser keeps is each server's own", () => {
  expect(keptAs("token", "/")).toBe("falconer.token");
  expect(keptAs("token", "/a/")).not.toBe(keptAs("token", "/b/"));
});
