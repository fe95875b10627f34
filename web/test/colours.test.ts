// The priorities' colours: seen against the page, and neighbours told apart by every kind of eye.

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { DARK, DARK_PAGE, LIGHT, LIGHT_PAGE } from "../src/model/colours";

type Three = [number, number, number];
const linear = (hex: string): Three => [1, 3, 5].map((at) => {
  const part = parseInt(hex.slice(at, at + 2), 16) / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}) as Three;
const luminance = ([r, g, b]: Three): number => 0.2126 * r + 0.7152 * g + 0.0722 * b;
const contrast = (a: string, b: string): number => {
  const [low, high] = [luminance(linear(a)), luminance(linear(b))].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
};
const times = (matrix: number[][], of: Three): Three => matrix.map((row) => row.reduce((sum, each, at) => sum + each * (of[at] ?? 0), 0)) as Three;

// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
const EYES: Record<string, number[][]> = {
  usual: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
function lab(rgb: Three): Three {
  const [x, y, z] = times([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]],
    rgb.map((part) => Math.min(1, Math.max(0, part))) as Three);
  const f = (part: number): number => (part > 0.008856 ? Math.cbrt(part) : 7.787 * part + 16 / 116);
  const [fx, fy, fz] = [f(x / 0.95047), f(y), f(z / 1.08883)];
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}
const apart = (a: Three, b: Three): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

it.each([["light", LIGHT, LIGHT_PAGE], ["dark", DARK, DARK_PAGE]] as const)("%s colours can be told apart", (_name, colours, page) => {
  for (const colour of colours) expect(contrast(colour, page)).toBeGreaterThanOrEqual(3);
  for (const [eye, matrix] of Object.entries(EYES)) {
    for (let at = 1; at < colours.length; at += 1) {
      const difference = apart(lab(times(matrix, linear(colours[at - 1] ?? ""))), lab(times(matrix, linear(colours[at] ?? ""))));
      expect(difference, `${eye} ${at - 1}/${at}`).toBeGreaterThanOrEqual(20);
    }
  }
});

it("are the same in the style sheet, whose text can be read", () => {
  const css = readFileSync("src/style/base.css", "utf8");
  const [light = "", dark = ""] = css.split(':root[data-theme="dark"]');
  for (const [sheet, colours, page] of [[light, LIGHT, LIGHT_PAGE], [dark, DARK, DARK_PAGE]] as const) {
    const value = (name: string): string => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(sheet)?.[1] ?? "";
    colours.forEach((colour, at) => expect(value(`p${at}`)).toBe(colour));
    expect(value("card")).toBe(page);
    for (const ground of ["card", "page", "well", "tint"]) {
      for (const text of ["text", "soft"]) expect(contrast(value(text), value(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
    for (const text of ["accent", "bad", "good", "warn"]) expect(contrast(value(text), value("card")), text).toBeGreaterThanOrEqual(4.5);
    expect(contrast(value("bad"), value("bad-tint"))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(value("warn"), value("warn-tint"))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(value("on-accent"), value("accent"))).toBeGreaterThanOrEqual(4.5);
  }
});
