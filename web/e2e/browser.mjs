// Finds a browser and opens pages in it: Debian's chromium or its headless shell, never a download.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { giveDist } from "./dist.mjs";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--enable-precise-memory-info"];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The browser's program; without one, a loud skip, or a failure where CI=true. */
export function findBrowser() {
  const found = PLACES.find((place) => place && existsSync(place));
  if (found) return found;
  console.error("SKIP: no chromium; apt-get install chromium-headless-shell");
  process.exit(process.env.CI === "true" ? 1 : 0);
}

export function findFalconer() {
  const program = process.env.FALCONER_BIN;
  if (program && existsSync(program)) return program;
  console.error("SKIP: FALCONER_BIN names no falconer binary");
  process.exit(process.env.CI === "true" ? 1 : 0);
}

export const launch = () => chromium.launch({ executablePath: findBrowser(), args: ARGS });

/** A page of its own, whose every error and Content-Security-Policy report is a failure. */
export async function openPage(browser, url, { width = 1440, height = 900, dark = false, wait = true, dist = false } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: dark ? "dark" : "light",
    permissions: ["clipboard-read", "clipboard-write"], bypassCSP: false,
  });
  const page = await context.newPage();
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) page.troubles.push(message.text());
  });
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (!["data:", "blob:"].includes(to.protocol) && to.origin !== new URL(url).origin) page.troubles.push(`asks elsewhere: ${to}`);
  });
  if (dist) await giveDist(page, new URL(url).origin);
  await page.goto(url);
  if (wait) await page.waitForSelector(".pill.live, main.auth", { timeout: 10_000 });
  return page;
}

/** What axe finds serious; the script comes in by the debugger, past the page's policy. */
export async function seriousTroubles(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
    expression: `axe.run(document, { resultTypes: ["violations"] }).then((found) => JSON.stringify(found.violations
      .filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => one.id + ": " + one.nodes.slice(0, 3).map((node) => node.target + " " + node.failureSummary).join(" | "))))`,
    awaitPromise: true, returnByValue: true,
  });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return JSON.parse(result.value);
}
