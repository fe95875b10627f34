// The largest alerts the server takes (1 MiB), made of what an attacker would put in: shown as
// text, and the page answers all the while.

import assert from "node:assert/strict";
import { HOSTILE, alert } from "./alerts.mjs";

const LARGEST = 1 << 20;
/** No task may be longer: a quarter of a second is what is felt as a stop. Goal 100, slow runners. */
const LONGEST_TASK_MS = 250;

const size = (change) => Buffer.byteLength(JSON.stringify(change));

/** An alert of so many bytes, half of them its command line, half its output. */
function large(bytes, piece, change = {}) {
  const made = alert({ ...change, output: "", output_fields: { "proc.cmdline": "", "fd.name": "" } });
  const room = bytes - size(made);
  const times = Math.floor(room / 2 / (size(piece) - 2));
  made.output = piece.repeat(times);
  made.output_fields["proc.cmdline"] = piece.repeat(times);
  made.output_fields["fd.name"] = "A".repeat(bytes - size(made));
  return made;
}

const tasks = (page) => page.evaluate(() => new Promise((done) => {
  const observer = new PerformanceObserver((list) => done(list.getEntries().map(({ duration }) => Math.round(duration))));
  observer.observe({ type: "longtask", buffered: true });
  setTimeout(() => done([]), 300);
}));

async function walk(page, sent, piece) {
  await page.locator("[role=row][data-cursor]").nth(20).waitFor();
  for (const top of [3000, 6000, 0]) {
    await page.evaluate((to) => (document.querySelector(".table").scrollTop = to), top);
    await page.waitForTimeout(150);
  }
  await page.locator("[role=row][data-cursor]").first().click();
  const detail = page.getByRole("article", { name: "Alert" });
  await detail.getByText("proc.cmdline", { exact: true }).waitFor();
  assert.equal((await detail.locator(".output").textContent()).slice(0, piece.length), piece);
  await detail.getByRole("tab", { name: "JSON" }).click();
  await detail.locator("pre.json").waitFor();
  await detail.getByRole("button", { name: "Copy as" }).click();
  await page.getByRole("menuitem", { name: "JSON", exact: true }).click();
  await page.getByText("JSON copied").waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), JSON.stringify(sent));
  await detail.getByRole("button", { name: "Copy as" }).click();
  await page.getByRole("menuitem", { name: /exception/ }).click();
  await page.locator("dialog pre").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await page.locator("#filter").click();
  await page.keyboard.type("proc.cmdline = x", { delay: 20 });
  await page.waitForTimeout(400);
}

export const tests = {
  "no alert is larger than 1 MiB": { async run({ falconer }) {
    await falconer.post(large(LARGEST, "A"));
    await falconer.post(large(LARGEST + 1, "A")).catch(() => undefined);
    const { alerts_received: received } = await fetch(`${falconer.origin}/api/v1/status`).then((answer) => answer.json());
    assert.equal(received, 1);
  } },

  ...Object.fromEntries([
    ["hostile text of 1 MiB is text, and nothing stops", HOSTILE.command],
    ["1 MiB of characters that are not seen stops nothing", "\u202eA"],
  ].map(([name, piece]) => [name, { async run({ falconer, open, shot }) {
    const page = await open("/?cols=time,hostname,rule,proc.cmdline,output");
    let sent;
    for (let turn = 0; turn < 30; turn += 1) await falconer.post((sent = large(LARGEST, piece, { rule: `Large ${turn}` })));
    await walk(page, sent, piece === HOSTILE.command ? `sh -c ${HOSTILE.seen}` : "U+202EA");
    assert.equal(await page.locator("#app img, #app script").count(), 0);
    assert.ok(!(await page.locator("body").textContent()).includes("\u202e"));
    assert.equal(await page.title(), "Falconer");
    const elements = await page.evaluate(() => document.querySelectorAll("*").length);
    assert.ok(elements < 12_000, `${elements} elements`);
    await shot(page, piece === HOSTILE.command ? "large" : "large-unseen");
    const long = await tasks(page);
    console.log(`      longest tasks: ${long.sort((a, b) => b - a).slice(0, 5).join(", ") || "none over 50"} ms; ${elements} elements`);
    assert.ok(Math.max(0, ...long) <= LONGEST_TASK_MS, `tasks of ${long.join(", ")} ms`);
  } }])),
};
