// What somebody sets and finds again: columns' widths, the scale of the histogram; and what is told
// beside the alerts: rates of nodes, an alert as grpcurl prints it, a server of another build.

import assert from "node:assert/strict";
import { alert, many } from "./alerts.mjs";

const rows = (page) => page.locator("[role=row][data-cursor]");
const head = (page, name) => page.getByRole("columnheader", { name: new RegExp(`^${name}`) });
const width = async (page, name) => (await head(page, name).boundingBox()).width;

export const tests = {
  "columns are made wider, by hand and by key, and stay so": { async run({ falconer, open }) {
    await falconer.post(...many(3));
    const page = await open();
    await rows(page).nth(2).waitFor();
    const usual = await width(page, "hostname");
    const edge = page.getByRole("separator", { name: "Width of hostname" });
    const box = await edge.boundingBox();
    await page.mouse.move(box.x + 7, box.y + 10);
    await page.mouse.down();
    await page.mouse.move(box.x + 107, box.y + 10, { steps: 4 });
    await page.mouse.up();
    assert.ok(Math.abs((await width(page, "hostname")) - usual - 100) < 3, "dragged by 100 px");
    const cell = await rows(page).first().getByRole("gridcell", { name: "node-1", exact: true }).boundingBox();
    assert.ok(Math.abs(cell.width - usual - 100) < 3, "the cells follow");
    assert.equal(await page.locator("article").count(), 0);
    await edge.focus();
    await page.keyboard.press("ArrowLeft");
    assert.ok(Math.abs((await width(page, "hostname")) - usual - 84) < 3, "a key takes 16 px");
    assert.ok(Math.abs(Number(await edge.getAttribute("aria-valuenow")) - usual - 84) < 3);
    await page.reload();
    await rows(page).nth(2).waitFor();
    assert.ok(Math.abs((await width(page, "hostname")) - usual - 84) < 3, "remembered");
    await page.setViewportSize({ width: 700, height: 600 });
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
    assert.ok(await page.evaluate(() => document.querySelector("#alerts .row").scrollWidth <= document.querySelector(".table").clientWidth));
    await page.setViewportSize({ width: 1440, height: 900 });
    await edge.dblclick();
    assert.ok(Math.abs((await width(page, "hostname")) - usual) < 2, "a double click gives the usual back");
  } },

  "one alert can be seen beside many": { async run({ falconer, open }) {
    await falconer.post(...many(400, { priority: "Debug", time: new Date(Date.now() - 300_000).toISOString() }), alert({ priority: "Critical" }));
    const page = await open();
    await rows(page).first().waitFor();
    const highest = () => page.evaluate(() => {
      const canvas = document.querySelector("canvas.plot");
      const { data, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      // The Critical colour of the light theme.
      for (let at = 0; at < data.length; at += 4) if (data[at] === 0xd3 && data[at + 1] === 0x28 && data[at + 2] === 0x4e) return canvas.height - Math.floor(at / 4 / width);
      return 0;
    });
    await page.waitForFunction(() => /Critical 1/.test(document.querySelector("canvas.plot").getAttribute("aria-label")));
    await page.waitForTimeout(100);
    const flat = await highest();
    await page.getByRole("button", { name: "log scale" }).click();
    await page.waitForTimeout(100);
    assert.ok((await highest()) > flat + 4, `${await highest()} px beside ${flat}`);
    await page.reload();
    await page.getByRole("button", { name: "log scale", pressed: true }).waitFor();
  } },

  "an alert is copied as grpcurl prints it": { async run({ falconer, open }) {
    await falconer.post(alert({ rule: "Wanted", priority: "Critical" }));
    const page = await open();
    await rows(page).first().click();
    await page.getByRole("button", { name: "Copy as" }).click();
    await page.getByRole("menuitem", { name: "Protobuf JSON" }).click();
    await page.getByText("Protobuf JSON copied").waitFor();
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    assert.equal(copied.rule, "Wanted");
    assert.ok("outputFields" in copied && !("output_fields" in copied), Object.keys(copied).join());
    assert.equal(copied.priority, "CRITICAL");
  } },

  "selected alerts are copied together": { async run({ falconer, open }) {
    await falconer.post(alert({ hostname: "a" }), alert({ hostname: "b" }), alert({ hostname: "c" }));
    const page = await open();
    await rows(page).nth(2).waitFor();
    await rows(page).nth(0).click({ modifiers: ["Control"] });
    await rows(page).nth(2).click({ modifiers: ["Control"] });
    assert.equal(await page.locator("article").count(), 0);
    await page.getByText("2 selected").waitFor();
    await page.getByRole("button", { name: "Copy as NDJSON" }).click();
    await page.getByText("2 alerts as NDJSON copied").waitFor();
    const lines = (await page.evaluate(() => navigator.clipboard.readText())).split("\n").map((line) => JSON.parse(line).hostname);
    assert.deepEqual(lines, ["a", "c"]);
    await page.getByRole("button", { name: "Clear", exact: true }).click();
    assert.equal(await page.locator(".row.picked").count(), 0);
  } },

  "nodes tell how fast alerts come": { async run({ falconer, open }) {
    await falconer.post(...many(90, { hostname: "busy" }), ...many(6, { hostname: "calm" }), ...many(5, { hostname: "silent", time: new Date(Date.now() - 300_000).toISOString() }));
    const page = await open("/nodes", { wait: false });
    const rate = async (name) => (await page.getByRole("row", { name: new RegExp(name) }).locator("td").allInnerTexts())[1];
    await page.getByRole("row", { name: /busy/ }).waitFor();
    assert.deepEqual([await rate("busy"), await rate("calm"), await rate("silent")], ["1.5/s", "6/min", "0"]);
  } },

  "a server of another build is told, and the page reloads": { async run({ falconer, line, open }) {
    await falconer.post(...many(2));
    const page = await open();
    await rows(page).nth(1).waitFor();
    await page.waitForTimeout(1200);
    assert.equal(await page.locator(".toast").count(), 0);
    line.change((data) => Buffer.from(data.toString("latin1").replace(/"build":"(.)/g, '"build":"~'), "latin1"));
    await page.locator(".toast", { hasText: "The server was updated." }).waitFor();
    await page.evaluate(() => (window.before = true));
    await page.locator(".toast").getByRole("button", { name: "Reload" }).click();
    await page.waitForFunction(() => window.before === undefined);
    await page.locator(".pill.live").waitFor();
    await rows(page).nth(1).waitFor();
    await page.waitForTimeout(1200);
    assert.equal(await page.locator(".toast").count(), 0);
  } },
};
