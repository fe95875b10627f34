// A real nginx in front of a server: a folder, a configuration and a port of its own. Debian's; see
// tests/clients/browser. Ends only what it started.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./server.mjs";

const PLACES = [process.env.NGINX, "/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];

/** Nothing where there is none: the test is left out loudly, and fails where CI=true. */
export function findNginx() {
  const found = PLACES.find((place) => place && existsSync(place));
  if (!found && process.env.CI === "true") throw new Error("no nginx; apt-get install nginx-light");
  return found;
}

/** Its lines for one `location` are as people write them: nothing but where to go. */
export async function startNginx(locations) {
  const folder = mkdtempSync(join(tmpdir(), "falconer-nginx-"));
  const port = await freePort();
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder}/${each};`);
  writeFileSync(join(folder, "nginx.conf"), `
daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  ${places.join("\n  ")}
  server {
    listen 127.0.0.1:${port};
    ${Object.entries(locations).map(([path, to]) => `location ${path} { proxy_pass ${to}; }`).join("\n    ")}
  }
}
`);
  const child = spawn(findNginx(), ["-p", folder, "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said = (said + data).slice(-4000)));
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; !(await fetch(origin).then(() => true, () => false)); tries += 1) {
    if (child.exitCode !== null || tries > 100) throw new Error(`nginx does not answer: ${said}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  return {
    origin,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((done) => child.once("exit", done));
        child.kill("SIGTERM");
        const late = setTimeout(() => child.kill("SIGKILL"), 5000);
        await ended;
        clearTimeout(late);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
