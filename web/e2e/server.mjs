// Starts real falconer servers and a wire to them that can be cut. Ends only what it started.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** `falconer serve` (or another command) on a port of its own. */
export async function startFalconer(program, { options = [], command = ["serve"], port } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "falconer-web-"));
  const at = port ?? (await freePort());
  const all = [`grpc.bind_address=unix://${folder}/falco.sock`, `falconer.gateway.listen=127.0.0.1:${at}`, ...options];
  const child = spawn(program, [...command, ...all.flatMap((each) => ["-o", each])], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said = (said + data).slice(-4000)));
  child.once("exit", (code, signal) => stopping || console.error(`falconer ended by itself (${code ?? signal}): ${said}`));
  let stopping = false;
  const origin = `http://127.0.0.1:${at}`;
  for (let tries = 0; ; tries += 1) {
    if (child.exitCode !== null) throw new Error(`falconer ended: ${said}`);
    if (await fetch(`${origin}/livez`).then((answer) => answer.ok, () => false)) break;
    if (tries > 100) throw new Error(`falconer does not answer: ${said}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  return {
    origin, port: at, folder,
    async post(...alerts) {
      const answer = await fetch(`${origin}/api/v1/events`, {
        method: "POST", body: alerts.map((alert) => (typeof alert === "string" ? alert : JSON.stringify(alert))).join("\n"),
        headers: { "content-type": "application/json" },
      });
      if (!answer.ok) throw new Error(`posting: ${answer.status} ${await answer.text()}`);
    },
    async stop(signal = "SIGTERM") {
      stopping = true;
      if (child.exitCode === null && child.signalCode === null) {
        const ended = new Promise((done) => child.once("exit", done));
        child.kill(signal);
        const late = setTimeout(() => child.kill("SIGKILL"), 5000);
        await ended;
        clearTimeout(late);
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A TCP wire to a port; cut, it drops every connection and refuses new ones. It can change what comes back. */
export async function wire(target) {
  const open = new Set();
  let whole = true;
  let change = (data) => data;
  const server = createServer((socket) => {
    if (!whole) return socket.destroy();
    const other = connect(target, "127.0.0.1");
    for (const each of [socket, other]) {
      open.add(each);
      each.on("error", () => undefined);
      each.on("close", () => {
        open.delete(each);
        socket.destroy();
        other.destroy();
      });
    }
    const back = new Transform({ transform: (data, _, done) => done(null, change(data)) });
    return void socket.pipe(other).pipe(back).pipe(socket);
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    cut() {
      whole = false;
      for (const socket of open) socket.destroy();
    },
    mend() {
      whole = true;
    },
    /** Every piece that comes back from the server goes through this; its length must stay. */
    change(how) {
      change = how;
    },
    stop() {
      this.cut();
      server.close();
    },
  };
}
