// What the page is for: alerts as they come, held, filtered, opened, copied.

import assert from "node:assert/strict";
import { alert, many } from "./alerts.mjs";

const rows = (page) => page.locator("[role=row][data-cursor]");
const query = (page) => new URL(page.url()).searchParams;
const clipboard = (page) => page.evaluate(() => navigator.clipboard.readText());

export const tests = {
  "alerts appear as they come": { async run({ falconer, open }) {
    await falconer.post(...many(3));
    const page = await open();
    await rows(page).nth(2).waitFor();
    const began = Date.now();
    await falconer.post(alert({ rule: "Fresh one", priority: "Critical" }));
    await page.getByRole("gridcell", { name: "Fresh one" }).waitFor();
    const took = Date.now() - began;
    assert.ok(took < 1000, `took ${took} ms`);
    assert.match(await rows(page).first().innerText(), /Fresh one/);
    assert.equal(await rows(page).count(), 4);
  } },

  "pause holds, follow goes on without a gap": { async run({ falconer, open }) {
    await falconer.post(...many(5));
    const page = await open();
    await rows(page).nth(4).waitFor();
    await page.locator("#alerts").focus();
    await page.keyboard.press("Space");
    await falconer.post(...many(7, { rule: "While held" }));
    await page.getByRole("button", { name: "▲ 7 new" }).waitFor();
    assert.equal(await page.getByText("While held").count(), 0);
    await page.getByRole("button", { name: "▲ 7 new" }).click();
    await rows(page).nth(11).waitFor();
    assert.equal(await page.getByRole("gridcell", { name: "While held" }).count(), 7);
  } },

  "a scroll holds, the top follows": { async run({ falconer, open }) {
    await falconer.post(...many(120));
    const page = await open();
    await rows(page).nth(10).waitFor();
    await page.locator("#alerts").hover();
    await page.mouse.wheel(0, 600);
    await page.locator("#resume").waitFor();
    const first = await page.locator("[role=row][data-cursor]").first().getAttribute("data-cursor");
    await falconer.post(...many(4));
    await page.getByRole("button", { name: "▲ 4 new" }).waitFor();
    assert.equal(await page.locator("[role=row][data-cursor]").first().getAttribute("data-cursor"), first);
    await page.mouse.wheel(0, -5000);
    await page.locator("#pause").waitFor();
  } },

  "a filter is typed, its mistake underlined": { async run({ falconer, open }) {
    await falconer.post(...many(3), ...many(2, { priority: "Error", rule: "Write below etc" }));
    const page = await open();
    await rows(page).nth(4).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("priority >= error and rul = x");
    await page.locator(".problem").waitFor();
    assert.equal(await page.locator(".mirror u").innerText(), "rul");
    assert.match(await page.locator(".problem").innerText(), /Column 23/);
    await page.locator("#filter").fill("priority >= error");
    await page.locator(".problem").waitFor({ state: "detached" });
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 2);
    assert.equal(query(page).get("filter"), "priority >= error");
    await falconer.post(alert(), alert({ priority: "Critical", rule: "Later" }));
    await page.getByRole("gridcell", { name: "Later" }).waitFor();
    assert.equal(await rows(page).count(), 3);
    await page.getByRole("button", { name: "Remove priority >= error" }).click();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 7);
    await page.goBack();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 3);
  } },

  "completion offers fields and values": { async run({ falconer, open }) {
    await falconer.post(...many(3));
    const page = await open();
    await rows(page).first().waitFor();
    await page.locator("#filter").click();
    await page.keyboard.type("k8s.n");
    await page.getByRole("option", { name: /k8s\.ns\.name/ }).click();
    await page.keyboard.type("= ");
    await page.getByRole("option", { name: /prod/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelector("#filter").value === "k8s.ns.name = prod");
  } },

  "facets want and refuse": { async run({ falconer, open }) {
    await falconer.post(...many(3, { hostname: "a" }), ...many(2, { hostname: "b" }));
    const page = await open();
    const value = (name) => page.locator(".facet", { hasText: "hostname" }).locator(".pick", { hasText: name });
    await value("a").click();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 3);
    assert.equal(query(page).get("filter"), "hostname = a");
    await value("a").click();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 5);
    await value("b").click({ modifiers: ["Alt"] });
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 3);
    assert.equal(query(page).get("filter"), "not hostname = b");
  } },

  "a brush sets the range": { async run({ falconer, open }) {
    await falconer.post(...many(5, { time: new Date(Date.now() - 400_000).toISOString() }), ...many(4));
    const page = await open();
    await rows(page).nth(8).waitFor();
    const box = await page.locator("canvas.plot").boundingBox();
    await page.waitForTimeout(300);
    await page.mouse.move(box.x + 60, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 40, { steps: 5 });
    await page.mouse.up();
    await page.getByRole("button", { name: "Back to live" }).waitFor();
    assert.ok(query(page).get("until"));
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 5);
    await page.getByRole("button", { name: "Back to live" }).click();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 9);
  } },

  "an alert opens, is copied, filters": { async run({ falconer, open }) {
    const sent = JSON.stringify(alert({ rule: "Read sensitive file" })).replace('"1769796000123456789"', "1769796000123456789");
    await falconer.post(sent, alert({ output_fields: { "proc.name": "other" } }));
    const page = await open();
    await page.getByRole("gridcell", { name: "Read sensitive file" }).click();
    const detail = page.getByRole("article", { name: "Alert" });
    await detail.getByText("1769796000123456789", { exact: true }).waitFor();
    assert.equal(await detail.getByRole("link", { name: /T1059/ }).getAttribute("href"), "https://attack.mitre.org/techniques/T1059/");
    assert.equal(await detail.getByRole("link", { name: /T1059/ }).getAttribute("rel"), "noopener noreferrer");
    const as = async (name) => {
      await detail.getByRole("button", { name: "Copy as" }).click();
      await page.getByRole("menuitem", { name, exact: true }).click();
      await page.locator(".toast").filter({ hasText: name }).waitFor();
      return clipboard(page);
    };
    assert.equal(await as("JSON"), sent);
    assert.match(await as("grpcurl, live with this filter"), /^grpcurl -plaintext -unix \S+falco\.sock falco\.outputs\.service\/sub$/);
    assert.match(await as("curl, this alert"), /^curl -s http:\/\/127\.0\.0\.1:\d+\/api\/v1\/events\/\S+$/);
    const link = await as("Permalink");
    const second = await open(new URL(link).pathname + new URL(link).search);
    await second.getByRole("heading", { name: "Read sensitive file" }).waitFor();
    await detail.getByRole("button", { name: "Copy as" }).click();
    await page.getByRole("menuitem", { name: /exception/ }).click();
    await page.locator("dialog pre").waitFor();
    assert.match(await page.locator("dialog pre").innerText(), /- rule: Read sensitive file\n[\s\S]*fields: \[proc\.name, proc\.exepath, fd\.name, container\.image\.repository\]/);
    await page.keyboard.press("Escape");
    await detail.getByRole("tab", { name: "JSON" }).click();
    assert.match(await detail.locator("pre.json").innerText(), /"evt\.time": 1769796000123456789,/);
    await detail.getByRole("tab", { name: "Fields" }).click();
    await detail.getByRole("button", { name: "Filter proc.name to this value" }).click();
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 1);
    assert.equal(query(page).get("filter"), "proc.name = sh");
  } },

  "a deep link shows the same": { async run({ falconer, open }) {
    await falconer.post(...many(4, { hostname: "a" }), ...many(3, { hostname: "b" }));
    const page = await open("/?filter=hostname%20%3D%20b&cols=time,hostname,k8s.ns.name,output");
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 3);
    await rows(page).nth(1).click();
    await page.getByRole("article", { name: "Alert" }).getByText("node", { exact: false }).first().waitFor({ timeout: 2000 }).catch(() => undefined);
    const cursor = query(page).get("event");
    const second = await open(new URL(page.url()).pathname + new URL(page.url()).search);
    await second.locator(`[data-cursor="${cursor}"].open`).waitFor();
    assert.equal(await second.getByRole("columnheader").allInnerTexts().then((all) => all.join()), "time,hostname,k8s.ns.name,output");
  } },

  "older alerts load on demand": { async run({ falconer, open }) {
    await falconer.post(...many(900));
    const page = await open();
    await rows(page).first().waitFor();
    for (let turn = 0; turn < 6; turn += 1) {
      await page.evaluate(() => (document.querySelector(".table").scrollTop = 1e9));
      await page.waitForTimeout(250);
    }
    await page.getByText("No older alerts in this range.").waitFor();
    assert.match(await page.locator(".toolbar .count").innerText(), /^900 /);
  } },

  "the keyboard is enough": { async run({ falconer, open }) {
    await falconer.post(alert({ rule: "First" }), alert({ rule: "Second", priority: "Error" }), alert({ rule: "Third" }));
    const page = await open();
    await rows(page).nth(2).waitFor();
    for (let tab = 0; tab < 60; tab += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate(() => document.activeElement?.id === "alerts")) break;
    }
    assert.equal(await page.evaluate(() => document.activeElement?.id), "alerts");
    await page.keyboard.press("j");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Second" }).waitFor();
    await page.keyboard.press("j");
    await page.getByRole("heading", { name: "First" }).waitFor();
    await page.keyboard.press("c");
    await page.getByText("JSON copied").waitFor();
    assert.equal(JSON.parse(await clipboard(page)).rule, "First");
    await page.keyboard.press("Escape");
    await page.getByRole("article").waitFor({ state: "detached" });
    await page.keyboard.press("4");
    await page.waitForFunction(() => document.querySelectorAll("[role=row][data-cursor]").length === 1);
    await page.keyboard.press("t");
    await page.getByRole("button", { name: "UTC time" }).waitFor();
    await page.keyboard.press("?");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  } },
};
