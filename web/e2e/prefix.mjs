// Behind a real nginx, under a path prefix and without one: everything the page asks for, links to,
// and gives to copy is under the prefix.

import assert from "node:assert/strict";
import { alert, many } from "./alerts.mjs";
import { findNginx, startNginx } from "./nginx.mjs";

const rows = (page) => page.locator("[role=row][data-cursor]");

async function behind(prefix, { falconer, open, shot, end }) {
  if (!findNginx()) return "no nginx; apt-get install nginx-light";
  const nginx = end(await startNginx({ [prefix]: `${falconer.origin}/` }));
  const root = nginx.origin + prefix;
  const asked = [];
  const visit = async (path) => {
    const page = await open(path, { at: root });
    page.on("request", (request) => asked.push(request.url()));
    return page;
  };
  const page = await visit("");
  await page.reload();
  await page.getByRole("heading", { name: "No alert yet" }).waitFor();
  assert.match(await page.locator(".wiring pre").first().innerText(), new RegExp(`url: ${root}\n`));
  await page.getByRole("button", { name: "Send a test alert" }).click();
  await page.getByRole("gridcell", { name: "Falconer test alert" }).waitFor();
  // As Falco would post it there.
  await fetch(root, { method: "POST", body: JSON.stringify(alert({ rule: "Posted there" })), headers: { "content-type": "application/json" } });
  await page.getByRole("gridcell", { name: "Posted there" }).waitFor();
  await falconer.post(...many(4, { hostname: "elsewhere" }));
  await rows(page).nth(5).waitFor();
  await rows(page).first().click();
  const detail = page.getByRole("article", { name: "Alert" });
  const as = async (name) => {
    await detail.getByRole("button", { name: "Copy as" }).click();
    await page.getByRole("menuitem", { name, exact: true }).click();
    await page.locator(".toast").filter({ hasText: name }).waitFor();
    return page.evaluate(() => navigator.clipboard.readText());
  };
  const [command] = /http\S+$/.exec(await as("curl, this alert"));
  assert.ok(command.startsWith(`${root}api/v1/events/`), command);
  assert.equal((await fetch(command).then((answer) => answer.json())).event.hostname, "elsewhere");
  assert.ok((await as("curl, live with this filter")).endsWith(`${root}api/v1/events/stream`));
  const link = await as("Permalink");
  assert.ok(link.startsWith(`${root}event?`), link);
  await detail.getByRole("link", { name: "Open" }).click();
  await page.waitForURL(link);
  await page.reload();
  await page.getByRole("heading", { name: "Terminal shell in container" }).waitFor();
  await page.getByRole("link", { name: "← Live" }).click();
  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "CSV" }).click()]);
  assert.ok(file.url().startsWith(`${root}api/v1/export?`), file.url());
  for (const [name, path] of [["Rules", "rules"], ["Nodes", "nodes"], ["Status", "status"]]) {
    await page.getByRole("link", { name, exact: true }).click();
    await page.waitForURL(`${root}${path}**`);
    await page.reload();
    await page.getByRole("heading", { name }).first().waitFor();
    await page.locator("table, .tiles").first().waitFor();
  }
  assert.match(await page.locator(".snippet", { hasText: "curl -N" }).innerText(), new RegExp(`${root}api/v1/events/stream`));
  await page.goBack();
  await page.getByRole("heading", { name: /^Nodes/ }).waitFor();
  await shot(page, `prefix${prefix.replaceAll("/", "-")}`);
  // Where an alert was before there was one folder only.
  const old = await fetch(`${root}event/${new URL(link).searchParams.get("event")}?since=1h`, { redirect: "follow" });
  assert.equal(old.url, `${root}event?event=${new URL(link).searchParams.get("event")}&since=1h`);
  assert.match(await old.text(), /<div id="app">/);
  assert.deepEqual(asked.filter((url) => !url.startsWith(root) && !url.startsWith("blob:")), []);
  return undefined;
}

export const tests = {
  "behind nginx, under a prefix": { run: (it) => behind("/falconer/", it) },
  "behind nginx, under a prefix of two parts": { run: (it) => behind("/security/falconer/", it) },
  "behind nginx, at the root": { run: (it) => behind("/", it) },
};
