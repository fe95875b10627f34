// When things go wrong: no alerts, no server, another server, lost alerts, hostile text, no token.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOSTILE, alert, many } from "./alerts.mjs";

const rows = (page) => page.locator("[role=row][data-cursor]");
const tokenFile = join(tmpdir(), `falconer-token-${process.pid}`);
const TOKEN = "0123456789abcdef0123456789abcdef";

export const tests = {
  "nothing yet: how to wire Falco, and a test alert": { async run({ open, line }) {
    const page = await open();
    await page.getByRole("heading", { name: "No alert yet" }).waitFor();
    assert.match(await page.locator(".wiring pre").first().innerText(), new RegExp(`url: ${line.origin}/`));
    await page.getByRole("button", { name: "Send a test alert" }).click();
    await page.getByRole("gridcell", { name: "Falconer test alert" }).waitFor();
  } },

  "nothing matches: what to loosen": { async run({ falconer, open }) {
    await falconer.post(...many(3));
    const page = await open("/?filter=rule%20%3D%20nothing");
    await page.getByRole("heading", { name: "No alert matches" }).waitFor();
    await page.getByRole("button", { name: "Clear filter" }).last().click();
    await rows(page).nth(2).waitFor();
  } },

  "a wrong filter in the address is told": { async run({ falconer, open }) {
    await falconer.post(...many(2));
    const page = await open("/?filter=rule%20%3D", { wait: false });
    await page.getByRole("heading", { name: "Invalid filter" }).waitFor();
    await page.locator(".problem").waitFor();
    await page.getByRole("button", { name: "Clear filter and range" }).click();
    await rows(page).nth(1).waitFor();
  } },

  "a cut wire is resumed, nothing missed or doubled": { async run({ falconer, line, open }) {
    await falconer.post(...many(3));
    const page = await open();
    await rows(page).nth(2).waitFor();
    line.cut();
    await page.locator(".pill.cut").waitFor();
    await falconer.post(...many(6, { rule: "While away" }));
    await page.getByText(/^Reconnecting in/).waitFor();
    line.mend();
    await page.getByRole("button", { name: "Now" }).click({ timeout: 3000 }).catch(() => undefined);
    await page.locator(".pill.live").waitFor({ timeout: 20_000 });
    await rows(page).nth(8).waitFor();
    const cursors = await rows(page).evaluateAll((all) => all.map((row) => row.dataset.cursor));
    assert.equal(new Set(cursors).size, 9);
    await page.getByText(/6 alerts caught up/).waitFor();
  } },

  "a filtered reader resumes from what was looked at, not from its last match": {
    options: () => ["falconer.outputs.retain=1MiB"],
    async run({ falconer, line, open }) {
      const stream = await fetch(`${falconer.origin}/api/v1/events/stream?batch=1`);
      const first = new TextDecoder().decode((await stream.body.getReader().read()).value);
      if (!/(^|\n)id: [^\n]+\n(event: stats|data: )|event: stats\nid:/.test(first)) return "stats carry no id: the position of a filtered reader stands still";
      await falconer.post(alert({ rule: "Wanted" }));
      const page = await open("/?filter=rule%20%3D%20Wanted");
      await rows(page).first().waitFor();
      for (let turn = 0; turn < 6; turn += 1) await falconer.post(...many(500));
      await page.waitForTimeout(1500);
      line.cut();
      await page.locator(".pill.cut").waitFor();
      line.mend();
      await page.locator(".pill.live").waitFor({ timeout: 20_000 });
      await falconer.post(alert({ rule: "Wanted", hostname: "after" }));
      await page.getByRole("gridcell", { name: "after" }).waitFor();
      assert.equal(await page.locator(".lost-row").count(), 0);
    },
  },

  "what was lost while away is told in place": {
    options: () => ["falconer.outputs.retain=1MiB"],
    async run({ falconer, line, open, shot }) {
      await falconer.post(...many(3));
      const page = await open();
      await rows(page).nth(2).waitFor();
      line.cut();
      await page.locator(".pill.cut").waitFor();
      for (let turn = 0; turn < 6; turn += 1) await falconer.post(...many(500));
      line.mend();
      await page.locator(".pill.live").waitFor({ timeout: 20_000 });
      await page.getByText(/lost here/).waitFor();
      await page.waitForFunction(() => /more were lost$/.test(document.querySelector("canvas.plot").getAttribute("aria-label")));
      await page.waitForTimeout(100);
      assert.ok(await page.evaluate(() => {
        const canvas = document.querySelector("canvas.plot");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let red = 0;
        for (let at = 0; at < data.length; at += 4) red += Number(data[at] === 0xab && data[at + 1] === 0x20 && data[at + 2] === 0x17);
        return red >= 4;
      }), "the span is hatched");
      await page.locator("#alerts").focus();
      await page.keyboard.press("Space");
      for (let turn = 0; turn < 200 && (await page.locator(".lost-row").count()) === 0; turn += 1) {
        await page.evaluate(() => (document.querySelector(".table").scrollTop += 500));
        await page.waitForTimeout(30);
      }
      assert.match(await page.locator(".lost-row").innerText(), /▲ [\d,]+ alerts lost between \S+ and \S+: /);
      await shot(page, "lost");
    },
  },

  "a restarted server begins anew": { async run({ falconer, line, open, start }) {
    await falconer.post(...many(3, { rule: "Before" }));
    const page = await open();
    await rows(page).nth(2).waitFor();
    const { port } = falconer;
    await falconer.stop();
    await page.locator(".pill.cut").waitFor();
    const again = await start({ port });
    await again.post(...many(2, { rule: "After" }));
    await page.getByRole("gridcell", { name: "After" }).nth(1).waitFor({ timeout: 20_000 });
    await page.getByText("Server restarted").waitFor();
    assert.equal(await page.getByRole("gridcell", { name: "Before", exact: true }).count(), 3);
    assert.equal(line.origin, new URL(page.url()).origin);
  } },

  "hostile text is text": { async run({ falconer, open, shot }) {
    const long = "A".repeat(200_000);
    await falconer.post(
      alert({ rule: HOSTILE.command, hostname: "<b>host</b>", output: `x ${HOSTILE.command}`, tags: ["<i>", "T1059/../x", "javascript:alert(1)"],
        output_fields: { "proc.cmdline": HOSTILE.command, "fd.name": long, "__proto__": "x", "<u>": "<u>" } }),
      '{"output":"only this","priority":"Warning"}', '{"rule":12,"output":null,"output_fields":[1],"tags":{"a":1},"priority":"?","output":"odd"}');
    const page = await open();
    await rows(page).first().waitFor();
    await page.locator(`[role=row]`, { hasText: HOSTILE.seen }).first().click();
    const detail = page.getByRole("article", { name: "Alert" });
    await detail.getByText("proc.cmdline").waitFor();
    assert.ok((await detail.innerText()).includes(HOSTILE.seen));
    assert.ok(!(await page.innerText("body")).includes("\u202e"));
    assert.equal(await detail.locator("dd a").count(), 0);
    assert.equal(await page.locator("#app img, #app i:not(.share i), #app u, #app script").count(), 0);
    assert.equal(await page.title(), "Falconer");
    await page.goto(new URL("/rules", page.url()).href);
    await page.getByText(HOSTILE.seen.slice(0, 40)).first().waitFor();
    await page.goto(new URL("/", page.url()).href);
    await rows(page).first().waitFor();
    await shot(page, "hostile");
  } },

  "a token is asked for and kept in this tab": {
    options: () => {
      writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
      return [`falconer.gateway.token_file=${tokenFile}`];
    },
    async run({ open }) {
      const page = await open();
      await page.getByRole("heading", { name: "A token is needed" }).waitFor();
      await page.getByLabel("Token").fill("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("did not accept the token").waitFor();
      await page.getByLabel("Token").fill(TOKEN);
      await page.keyboard.press("Enter");
      await page.locator(".pill.live").waitFor();
      await page.reload();
      await page.locator(".pill.live").waitFor();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    },
  },
};
