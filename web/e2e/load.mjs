// Alerts of SIZE bytes (1 KB) at a steady rate, posted as Falco's http_output would post them, each
// with the time it was made: what the page shows can so be compared with the clock.

import { Agent, request } from "node:http";

export const SIZE = 1024;
const EVERY_MS = 50;
const RULES = ["Terminal shell in container", "Read sensitive file untrusted", "Write below etc", "Contact K8S API Server From Container"];
const PRIORITIES = ["Notice", "Warning", "Error", "Critical"];

function line(count, time) {
  const kind = count % RULES.length;
  const head = `{"hostname":"node-${count % 12}","output":"${time}: ${PRIORITIES[kind]} ${RULES[kind]} | user=root command=sh -c run ${count}","output_fields":{"proc.name":"sh","user.name":"root","k8s.ns.name":"prod","fd.name":"/etc/shadow","proc.pid":${count},"proc.cmdline":"sh -c `;
  const tail = `"},"priority":"${PRIORITIES[kind]}","rule":"${RULES[kind]}","source":"syscall","tags":["T1059","container"],"time":"${time}"}`;
  return head + "a".repeat(Math.max(0, SIZE - head.length - tail.length)) + tail;
}

export function startLoad(port, rate) {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const began = performance.now();
  let sent = 0;
  let refused = 0;
  const timer = setInterval(() => {
    const due = Math.min(rate, Math.floor(((performance.now() - began) * rate) / 1000) - sent);
    if (due <= 0) return;
    const time = new Date().toISOString();
    const body = Array.from({ length: due }, (_, at) => line(sent + at, time)).join("\n");
    sent += due;
    const post = request({ port, host: "127.0.0.1", path: "/api/v1/events", method: "POST", agent, headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) } },
      (answer) => {
        if (answer.statusCode >= 300) refused += due;
        answer.resume();
      });
    post.on("error", () => (refused += due));
    post.end(body);
  }, EVERY_MS);
  return {
    told: () => ({ rate: Math.round((sent * 1000) / (performance.now() - began)), refused }),
    stop() {
      clearInterval(timer);
      agent.destroy();
    },
  };
}
