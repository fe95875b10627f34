// Measures the page under load: FALCONER_BIN's demo at RATE alerts a second (10,000), read by a real
// browser. Prints frames, long tasks, heap, nodes, and how long an alert takes to its row; at rest
// and while scrolling. Exits 1 with STRICT=true when a goal is missed.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { findFalconer, launch, openPage } from "./browser.mjs";
import { alert } from "./alerts.mjs";
import { front, isBuiltIn, startFalconer } from "./server.mjs";

const rate = Number(process.env.RATE ?? 10_000);
const seconds = Number(process.env.SECONDS ?? 12);
const program = findFalconer();
const falconer = await startFalconer(program, { command: ["demo", "--rate", String(rate)] });
const before = (await isBuiltIn(falconer.origin)) ? undefined : await front(falconer.port);
const browser = await launch();
const missed = [];

function told(name, value, unit, goal) {
  const over = goal !== undefined && value > goal;
  if (over) missed.push(name);
  console.log(`${name.padEnd(44)} ${String(value).padStart(9)} ${unit}${goal === undefined ? "" : `   (goal ${goal}${over ? ", MISSED" : ""})`}`);
}

function frames(duration, scrolls) {
  return new Promise((done) => {
    const gaps = [];
    const long = [];
    const observer = new PerformanceObserver((list) => list.getEntries().forEach((entry) => long.push(entry.duration)));
    observer.observe({ type: "longtask" });
    const table = document.querySelector(".table");
    const end = performance.now() + duration;
    let last = performance.now();
    const step = (now) => {
      gaps.push(now - last);
      last = now;
      if (scrolls) table.scrollTop = (table.scrollTop + 90) % (table.scrollHeight - table.clientHeight);
      if (now < end) return requestAnimationFrame(step);
      observer.disconnect();
      gaps.sort((a, b) => a - b);
      const at = (share) => Math.round((gaps[Math.floor(gaps.length * share)] ?? 0) * 10) / 10;
      return done({ p50: at(0.5), p95: at(0.95), p99: at(0.99), long: long.filter((each) => each > 100).length });
    };
    requestAnimationFrame(step);
  });
}

try {
  const dist = fileURLToPath(new URL("../dist/assets/", import.meta.url));
  const size = (ending) => readdirSync(dist).filter((file) => file.endsWith(ending))
    .reduce((sum, file) => sum + brotliCompressSync(readFileSync(dist + file)).length, 0) / 1000;
  told("JavaScript, brotli", size(".js").toFixed(1), "kB", 45);
  told("CSS, brotli", size(".css").toFixed(1), "kB", 10);
  const page = await openPage(browser, before ? `http://127.0.0.1:${before.port}/` : falconer.origin);
  await page.waitForSelector("[role=row][data-cursor]");
  told("first contentful paint", Math.round(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0)), "ms", 300);
  await page.waitForTimeout(Math.max(3000, (110_000 / rate) * 1000));
  const count = await page.locator(".toolbar .count").innerText();
  console.log(`rows held: ${count}; pill: ${await page.locator(".pill").innerText()}`);
  for (const [name, scrolls] of [["following", false], ["scrolling", true]]) {
    const result = await page.evaluate(`(${frames})(${seconds * 1000}, ${scrolls})`);
    told(`${name}: frame p50`, result.p50, "ms");
    told(`${name}: frame p95`, result.p95, "ms", 17);
    told(`${name}: frame p99`, result.p99, "ms", 34);
    told(`${name}: tasks over 100 ms`, result.long, "", 0);
  }
  told("DOM nodes", await page.evaluate(() => document.querySelectorAll("*").length), "", 1000);
  told("heap", Math.round((await page.evaluate(() => performance.memory.usedJSHeapSize)) / 1e6), "MB", 250);
  told("lost in the stream", await page.locator(".lost-row").count(), "rows", 0);

  await page.goto(`${new URL(page.url()).origin}/?filter=rule%20%3D%20Probe`);
  await page.waitForSelector(".pill.live");
  const times = [];
  for (let turn = 0; turn < 41 && times.filter((each) => each > 9000).length < 3; turn += 1) {
    const name = `probe-${turn}`;
    const seen = page.evaluate((wanted) => new Promise((done) => {
      const late = performance.now() + 10_000;
      const look = () => (document.querySelector(".rows")?.textContent.includes(wanted) || performance.now() > late
        ? done(Date.now()) : requestAnimationFrame(look));
      look();
    }), name);
    const sent = Date.now();
    await falconer.post(alert({ rule: "Probe", hostname: name }));
    times.push((await seen) - sent);
  }
  times.sort((a, b) => a - b);
  told("alert to row p50", times[times.length >> 1], "ms");
  told("alert to row p95", times[Math.floor(times.length * 0.95) - 1] ?? 99_999, "ms", 300);
} finally {
  await browser.close();
  before?.stop();
  await falconer.stop();
}
console.log(missed.length === 0 ? "every goal met" : `missed: ${missed.join(", ")}`);
process.exit(missed.length > 0 && process.env.STRICT === "true" ? 1 : 0);
