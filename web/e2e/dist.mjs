// web/dist for a binary that has another build of the page in it: the browser is given the page's
// files by the debugger, and asks the binary itself for the rest, so that nothing stands between
// them that would cost time while frames are measured.

import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'";

/** Whether the binary has this very build of the page in it. */
export async function isBuiltIn(origin) {
  const page = await fetch(`${origin}/`).then((answer) => answer.text());
  return page === readFileSync(join(DIST, "index.html"), "utf8");
}

/** Gives a page dist/ as the binary would give its own. */
export async function giveDist(page, origin) {
  const session = await page.context().newCDPSession(page);
  session.on("Fetch.requestPaused", ({ requestId, request }) => {
    // Under whatever prefix.
    const [path] = /(?:assets\/[^/]+|icon\.svg)$/.exec(new URL(request.url).pathname) ?? ["index.html"];
    const file = join(DIST, path);
    const headers = { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "content-security-policy": POLICY };
    session.send("Fetch.fulfillRequest", {
      requestId, responseCode: 200, body: readFileSync(file).toString("base64"),
      responseHeaders: Object.entries(headers).map(([name, value]) => ({ name, value })),
    }).catch(() => undefined);
  });
  await session.send("Fetch.enable", { patterns: [{ urlPattern: `${origin}/*`, resourceType: "Document" }, { urlPattern: `${origin}/*assets/*` }, { urlPattern: `${origin}/*icon.svg` }] });
}
