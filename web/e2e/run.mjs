// Drives a real falconer (FALCONER_BIN) with a real browser, one test after another, each with a
// server of its own. Prints what failed and leaves screenshots in shots/. Names as arguments select.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findFalconer, launch, openPage } from "./browser.mjs";
import { isBuiltIn } from "./dist.mjs";
import { startFalconer, wire } from "./server.mjs";
import { tests as basics } from "./basics.mjs";
import { tests as choices } from "./choices.mjs";
import { tests as hostile } from "./hostile.mjs";
import { tests as looks } from "./looks.mjs";
import { tests as prefix } from "./prefix.mjs";
import { tests as trouble } from "./trouble.mjs";
import { tests as truth } from "./truth.mjs";

const program = findFalconer();
const browser = await launch();
const shots = fileURLToPath(new URL("../shots/", import.meta.url));
mkdirSync(shots, { recursive: true });
const wanted = process.argv.slice(2);
let failed = 0;
let told = false;

for (const [name, { options, run }] of Object.entries({ ...basics, ...choices, ...trouble, ...truth, ...prefix, ...hostile, ...looks })) {
  if (wanted.length > 0 && !wanted.some((each) => name.includes(each))) continue;
  const began = Date.now();
  const ends = [];
  const pages = [];
  try {
    let falconer;
    const start = async (more = {}) => {
      falconer = await startFalconer(program, { options: options?.() ?? [], ...more });
      ends.push((server) => server.stop(), falconer);
      return falconer;
    };
    await start();
    const dist = !(await isBuiltIn(falconer.origin));
    if (dist && process.env.CI === "true") throw new Error("the binary was built without this web/dist");
    if (dist && !told) console.log("note: the binary has not this build of the page; the browser is given web/dist");
    told = dist;
    const line = await wire(falconer.port);
    ends.push((server) => server.stop(), line);
    const skipped = await run({
      get falconer() { return falconer; },
      line, start,
      /** Sees to it that it is stopped. */
      end: (other) => {
        ends.push((server) => server.stop(), other);
        return other;
      },
      open: async (path = "/", { at = line.origin, ...how } = {}) => {
        const page = await openPage(browser, at + path, { dist, ...how });
        pages.push(page);
        return page;
      },
      shot: (page, file) => page.screenshot({ path: `${shots}${file}.png` }),
    });
    const troubles = pages.flatMap((page) => page.troubles);
    if (troubles.length > 0) throw new Error(`on the page: ${troubles.join("; ")}`);
    console.log(typeof skipped === "string" ? `SKIP  ${name}: ${skipped}` : `ok    ${name} (${Date.now() - began} ms)`);
  } catch (error) {
    if (/not supported by this one/.test(String(error))) {
      console.log(`SKIP  ${name}: this falconer has not the setting yet`);
      continue;
    }
    failed += 1;
    console.log(`FAIL  ${name}\n${String(error.stack ?? error).split("\n").slice(0, 12).join("\n")}`);
    await pages.at(-1)?.screenshot({ path: `${shots}failed-${name.replace(/\W+/g, "-")}.png` }).catch(() => undefined);
  } finally {
    for (const page of pages) await page.context().close().catch(() => undefined);
    for (let at = ends.length - 2; at >= 0; at -= 2) await ends[at](ends[at + 1]);
  }
}
await browser.close();
console.log(failed === 0 ? "all passed" : `${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
