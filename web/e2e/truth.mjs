// What the page tells is so: a limit is not told as the whole, a link leads to what it counted, an
// empty list says why, a restart is not passed over.

import assert from "node:assert/strict";
import { alert, many } from "./alerts.mjs";

const rows = (page) => page.locator("[role=row][data-cursor]");
const shown = (page, count) => page.waitForFunction((wanted) => document.querySelectorAll("[role=row][data-cursor]").length === wanted, count);
const filterOf = (page) => new URL(page.url()).searchParams.get("filter");
const asked = (filter) => `filter=${encodeURIComponent(filter)}`;

export const tests = {
  "an alert's JSON has lines, and marks for what it has in it only": { async run({ falconer, open, shot }) {
    const sent = alert({ output: "a\u0007b\nc\u202ed\u007f", output_fields: { list: [1, "x"], nested: { a: null } } });
    await falconer.post(sent);
    const page = await open();
    await rows(page).first().click();
    await page.getByRole("tab", { name: "JSON" }).click();
    const json = page.locator("pre.json");
    const wanted = JSON.stringify(sent, null, 2).replace("\u202e", "U+202E").replace("\u007f", "␡");
    assert.equal(await json.evaluate((pre) => pre.textContent), wanted);
    assert.deepEqual(await json.locator(".odd").allInnerTexts(), ["U+202E", "␡"]);
    const lines = await json.evaluate((pre) => Math.round(pre.clientHeight / Number.parseFloat(getComputedStyle(pre).lineHeight)));
    assert.ok(lines >= wanted.split("\n").length, `${lines} lines are seen`);
    await shot(page, "json");
  } },

  "more hosts, rules and values than are listed are told": { async run({ falconer, open, shot }) {
    await falconer.post(...Array.from({ length: 1100 }, (_, at) => alert({ hostname: `host-${at}`, tags: [`tag-${at}`] })));
    const page = await open("/nodes");
    await page.getByRole("heading", { name: "Nodes 1,100 hosts, 1,100 alerts" }).waitFor();
    await page.getByText("The 1,000 hosts with most alerts are listed; 100 alerts are from 100 more.").waitFor();
    await shot(page, "nodes-many");
    await page.getByRole("link", { name: "Rules" }).click();
    await page.getByRole("heading", { name: "Rules 1 fired 1,100 times" }).waitFor();
    await page.getByRole("cell", { name: /host-0 1, .* and 1,095 more$/ }).waitFor();
    await page.getByRole("link", { name: "Live", exact: true }).click();
    await rows(page).first().waitFor();
    const facet = page.locator(".facet", { hasText: "hostname" });
    await facet.getByRole("button", { name: "10 of 1,100" }).click();
    await facet.getByText("1,090 other values").waitFor();
    await page.getByText("1,100 alerts match, of 1,100 scanned.").waitFor();
    assert.match(await page.locator(".toolbar .count").innerText(), /^200 of 1,100 alerts$/);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.locator(".toolbar .count", { hasText: /^200 of 1,100$/ }).waitFor();
  } },

  "500 hosts are 500": { async run({ falconer, open }) {
    await falconer.post(...Array.from({ length: 500 }, (_, at) => alert({ hostname: `host-${at}` })));
    const page = await open("/nodes");
    await page.getByRole("heading", { name: "Nodes 500 hosts, 500 alerts" }).waitFor();
    assert.equal(await page.locator("tbody tr").count(), 500);
  } },

  "a link from a count leads to the alerts that were counted": { async run({ falconer, open }) {
    const both = (number, change) => [...many(number, { ...change, priority: "Error" }), ...many(number + 2, { ...change, priority: "Debug" })];
    await falconer.post(...both(3, { rule: "One", hostname: "a" }), ...both(4, { rule: "Two", hostname: "b", source: "k8s_audit" }), ...many(2, { rule: "", hostname: "c", priority: "Error" }));
    const filter = "priority >= warning or proc.name = none";
    const counted = async (path, name, count) => {
      const page = await open(`${path}?${asked(filter)}`);
      const row = page.getByRole("row").filter({ has: page.getByRole("rowheader", { name }) });
      assert.equal(await row.getByRole("cell").filter({ hasText: /^\d+$/ }).first().innerText(), String(count));
      await row.getByRole("link").click();
      await shown(page, count);
      await page.locator(".toolbar .count", { hasText: new RegExp(`^${count} alerts$`) }).waitFor();
      assert.match(filterOf(page), /^\(priority >= warning or proc\.name = none\) and /);
    };
    await counted("/rules", "One", 3);
    await counted("/rules", "(no rule)", 2);
    await counted("/nodes", "b", 4);
    const page = await open(`/nodes?${asked(filter)}`);
    await page.getByRole("link", { name: /^k8s_audit 4/ }).click();
    await shown(page, 4);
    // A rule of two priorities has two rows, each with its own link.
    const all = await open(`/rules?${asked("rule in (One, Two)")}`);
    await all.getByRole("row").filter({ has: all.getByRole("rowheader", { name: "One" }) }).filter({ hasText: "Debug" }).getByRole("link").click();
    await shown(all, 5);
    assert.equal(filterOf(all), "rule = One and source = syscall and priority = Debug");
  } },

  "a value too long to be told whole is found by its beginning": { async run({ falconer, open }) {
    const long = `run ${"x".repeat(600)}`;
    await falconer.post(...many(3, { output_fields: { "k8s.ns.name": `${long}1` } }), ...many(2, { output_fields: { "k8s.ns.name": "short" } }));
    const page = await open();
    await page.locator(".facet", { hasText: "k8s.ns.name" }).locator(".pick", { hasText: "run x" }).click();
    await shown(page, 3);
    assert.match(filterOf(page), /^k8s\.ns\.name startswith "run x{508}"$/);
    await page.locator(".facet", { hasText: "k8s.ns.name" }).getByRole("button", { name: "run x", pressed: true }).click();
    await shown(page, 5);
  } },

  "a field no alert has is told, with the nearest": { async run({ falconer, open, shot }) {
    await falconer.post(...many(3));
    const page = await open(`/?${asked("rule exists and proc.nmae = sh")}`);
    await page.getByText("no retained alert has the field proc.nmae; nearest: proc.name").waitFor();
    await page.getByRole("heading", { name: "No alert matches" }).waitFor();
    await shot(page, "slip");
    await page.getByRole("button", { name: "Use “proc.name”" }).click();
    await shown(page, 3);
    assert.equal(filterOf(page), "rule exists and proc.name = sh");
    await page.getByText("no retained alert has").waitFor({ state: "detached" });
    await page.locator("#filter").fill("not rule:Terminal");
    await page.keyboard.press("Enter");
    await page.getByText("rule:Terminal matches text in the output; for the field write rule = Terminal").waitFor();
    await shown(page, 3);
    await page.getByRole("button", { name: "Use “rule = Terminal”" }).click();
    await page.waitForFunction(() => new URL(location.href).searchParams.get("filter") === "not rule = Terminal");
  } },

  "a restart is told, not called a cut": { async run({ falconer, open, start, shot }) {
    await falconer.post(...many(3, { rule: "Before" }));
    const page = await open();
    await rows(page).nth(2).waitFor();
    const { port } = falconer;
    await falconer.stop();
    await page.locator(".pill.cut").waitFor();
    const again = await start({ port });
    await again.post(...many(2, { rule: "After" }));
    await page.getByRole("gridcell", { name: "After" }).nth(1).waitFor({ timeout: 20_000 });
    const toast = page.locator(".toast");
    await toast.waitFor();
    assert.match(await toast.innerText(), /^The server was restarted\. The alerts before that are gone, and some may be missing from the time of the restart\. 2 alerts arrived since\./);
    assert.match(await page.locator(".row.mark").innerText(), /Server restarted .*: the alerts before that are gone, and some may be missing\./);
    assert.equal(await page.locator(".toolbar .count").innerText(), "5 alerts", "the mark is no alert");
    await page.getByText("Older alerts were lost at a restart of the server.").waitFor();
    await shot(page, "restarted");
  } },

  "a restart is told also where the stream goes on and says so": { async run({ falconer, line, open }) {
    await falconer.post(...many(3, { rule: "Before" }));
    const page = await open();
    await rows(page).nth(2).waitFor();
    const items = [1, 2].map((at) => `data: {"cursor":"ffff.${at}","event":${JSON.stringify(alert({ rule: "After" }))}}\n`).join("");
    await page.route("**/api/v1/events/stream*", (route) => route.fulfill({
      status: 200, headers: { "content-type": "text/event-stream" },
      body: `retry: 2000\nid: ffff.0\nevent: lost\ndata: {"cause":"the server was restarted","since":"x"}\n\nevent: batch\nid: ffff.2\n${items}\n`,
    }), { times: 1 });
    line.cut();
    await page.locator(".pill.cut").waitFor();
    line.mend();
    await page.getByRole("gridcell", { name: "After" }).nth(1).waitFor({ timeout: 20_000 });
    await page.getByText("The server was restarted. The alerts before that are gone").waitFor();
    assert.equal(await page.getByText("none missed").count(), 0);
    assert.ok((await page.locator(".row.mark").count()) >= 1);
  } },
};
