// The README's screenshots: the page's main states, from an invented quarter of an hour that goes
// on while they are taken. Written to docs/screenshots/, by pngquant with 256 colours: as the browser
// writes them they are twice as large as a README should load.

import { spawnSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findFalconer, launch, openPage } from "./browser.mjs";
import { isBuiltIn } from "./dist.mjs";
import { more, scene } from "./scene.mjs";
import { startFalconer } from "./server.mjs";

if (spawnSync("pngquant", ["--version"]).status !== 0) {
  console.error("pngquant is missing; apt-get install pngquant");
  process.exit(1);
}
const MOST_BYTES = 150_000;
const folder = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));
mkdirSync(folder, { recursive: true });

const rows = (page) => page.locator("[role=row][data-cursor]");
const STATES = [
  { name: "live-light" },
  { name: "live-dark", dark: true },
  { name: "alert-light", path: "/?filter=priority%20%3E%3D%20warning%20and%20k8s.ns.name%20exists%20and%20not%20hostname%20%3D%20edge-1",
    async act(page) {
      await rows(page).filter({ hasText: "Drop and execute" }).first().click();
      await page.getByRole("article", { name: "Alert" }).getByText("proc.cmdline", { exact: true }).waitFor();
    } },
  { name: "narrow-light", width: 390, height: 844 },
];

const falconer = await startFalconer(findFalconer());
const dist = !(await isBuiltIn(falconer.origin));
const browser = await launch();
const next = more(11);
let timer;
try {
  await falconer.post(...scene(900));
  timer = setInterval(() => void falconer.post(next()).catch(() => undefined), 650);
  for (const { name, path = "/", act, ...how } of STATES) {
    const page = await openPage(browser, falconer.origin + path, { dist, ...how });
    await rows(page).nth(8).waitFor();
    await act?.(page);
    await page.waitForTimeout(4500);
    await page.mouse.move(0, 0);
    const file = `${folder}${name}.png`;
    await page.screenshot({ path: file });
    spawnSync("pngquant", ["--speed", "1", "--nofs", "--strip", "--force", "--output", file, "256", file], { stdio: "inherit" });
    const { size } = statSync(file);
    console.log(`docs/screenshots/${name}.png  ${(size / 1000).toFixed(0)} kB`);
    if (size > MOST_BYTES) throw new Error(`${name}.png is larger than ${MOST_BYTES} bytes`);
    await page.context().close();
  }
} finally {
  clearInterval(timer);
  await browser.close();
  await falconer.stop();
}
