// How it looks: every page and state in both themes and four widths; nothing runs off sideways, and
// axe finds nothing serious. The screenshots are for people.

import assert from "node:assert/strict";
import { seriousTroubles } from "./browser.mjs";
import { scene } from "./scene.mjs";

const SIZES = [{ width: 1440, height: 900 }, { width: 1024, height: 768 }, { width: 390, height: 844 }, { width: 320, height: 640 }];

async function look(page, shot, name) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${name} runs off sideways by ${over} px`);
  await shot(page, name);
  const found = await seriousTroubles(page);
  assert.deepEqual(found, [], `${name}: ${found.join("\n")}`);
}

async function walk({ open, shot }, { dark, width, height }) {
  const as = `${width}-${dark ? "dark" : "light"}`;
  const page = await open("/", { dark, width, height });
  await page.locator("[role=row][data-cursor]").nth(5).waitFor();
  await page.waitForTimeout(500);
  await look(page, shot, `live-${as}`);
  await page.locator("[role=row][data-cursor]", { hasText: "Read sensitive" }).first().click();
  await page.getByRole("article", { name: "Alert" }).getByText("proc.cmdline", { exact: true }).waitFor();
  await look(page, shot, `detail-${as}`);
  await page.getByRole("tab", { name: "JSON" }).click();
  await page.locator("pre.json").waitFor();
  await look(page, shot, `json-${as}`);
  await page.getByRole("button", { name: "Copy as" }).click();
  await look(page, shot, `copy-${as}`);
  await page.getByRole("menuitem", { name: /exception/ }).click();
  await page.locator("dialog pre").waitFor();
  await look(page, shot, `exception-${as}`);
  await page.keyboard.press("Escape");
  await page.goto(new URL("/?filter=priority%20%3E%3D%20warning%20and%20not%20hostname%20%3D%20worker-1", page.url()).href);
  await page.locator("[role=row][data-cursor]").nth(2).waitFor();
  await page.locator("#filter").fill("priority >= warning and hostnam = x");
  await page.locator(".problem").waitFor();
  await look(page, shot, `filter-${as}`);
  await page.goto(new URL("/?filter=proc.nmae%20%3D%20bash%20or%20rule:Terminal", page.url()).href);
  await page.locator(".doubts p").nth(1).waitFor();
  await look(page, shot, `slip-${as}`);
  for (const name of ["rules", "nodes", "status"]) {
    await page.goto(new URL(`/${name}`, page.url()).href);
    await page.locator("table, .tiles").first().waitFor();
    await look(page, shot, `${name}-${as}`);
  }
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  await page.getByRole("dialog").waitFor();
  await look(page, shot, `help-${as}`);
}

export const tests = Object.fromEntries(SIZES.flatMap((size) => [false, true].map((dark) => [
  `looks right at ${size.width} px, ${dark ? "dark" : "light"}`,
  { async run(it) {
    const empty = await it.open("/", { ...size, dark });
    await empty.getByRole("heading", { name: "No alert yet" }).waitFor();
    await look(empty, it.shot, `empty-${size.width}-${dark ? "dark" : "light"}`);
    await it.falconer.post(...scene(700));
    await walk(it, { ...size, dark });
  } },
])));
