// A quarter of an hour of a small cluster, invented: mostly noise, now and then a burst, once
// something bad. The same every time but for the clock, so that screenshots can be compared.

const pick = (random, list) => list[Math.floor(random() * list.length)];
const HOSTS = ["worker-1", "worker-2", "worker-3", "worker-4", "edge-1"];
const PODS = [
  { "k8s.ns.name": "shop", "k8s.pod.name": "checkout-7d9f6c-x2k4p", "container.image.repository": "registry.example/shop/checkout" },
  { "k8s.ns.name": "shop", "k8s.pod.name": "catalog-5c4b8d-m7t2q", "container.image.repository": "registry.example/shop/catalog" },
  { "k8s.ns.name": "payments", "k8s.pod.name": "ledger-0", "container.image.repository": "registry.example/payments/ledger" },
  { "k8s.ns.name": "monitoring", "k8s.pod.name": "grafana-6f9d7-qq8zn", "container.image.repository": "docker.io/grafana/grafana" },
  { "k8s.ns.name": "ingress", "k8s.pod.name": "nginx-ingress-pb5wd", "container.image.repository": "docker.io/library/nginx" },
];

/** `weight` says how common it is, `burst` that it comes in bursts. */
const KINDS = [
  { weight: 30, burst: true, rule: "Contact K8S API Server From Container", priority: "Notice", tags: ["T1565", "container", "k8s", "network"], text: "Unexpected connection to K8s API Server from container",
    fields: () => ({ "proc.name": "curl", "proc.exepath": "/usr/bin/curl", "proc.cmdline": "curl -ks https://10.96.0.1/api/v1/pods", "fd.name": "10.2.0.17:51282->10.96.0.1:443" }) },
  { weight: 22, burst: true, rule: "Read sensitive file untrusted", priority: "Warning", tags: ["T1555", "filesystem", "mitre_credential_access"], text: "Sensitive file opened for reading by non-trusted program",
    fields: (random) => {
      const name = pick(random, ["cat", "tar", "python3"]);
      const file = pick(random, ["/etc/shadow", "/etc/sudoers", "/etc/pam.d/sshd"]);
      return { "proc.name": name, "proc.exepath": `/usr/bin/${name}`, "proc.cmdline": { cat: `cat ${file}`, tar: `tar cf - ${file}`, python3: `python3 -c print(open('${file}').read())` }[name], "fd.name": file };
    } },
  { weight: 16, rule: "Terminal shell in container", priority: "Notice", tags: ["T1059", "container", "mitre_execution", "shell"], text: "A shell was spawned in a container with an attached terminal",
    fields: (random) => {
      const name = pick(random, ["bash", "sh"]);
      return { "proc.name": name, "proc.exepath": `/usr/bin/${name}`, "proc.cmdline": `${name} -il`, "proc.pname": "runc", "proc.tty": 34816 };
    } },
  { weight: 12, rule: "Launch Package Management Process in Container", priority: "Error", tags: ["T1505", "container", "process", "software_mgmt"], text: "Package management process launched in container",
    fields: () => ({ "proc.name": "apt-get", "proc.exepath": "/usr/bin/apt-get", "proc.cmdline": "apt-get install -y netcat-openbsd", "proc.pname": "bash" }) },
  { weight: 10, rule: "Attach/Exec Pod", priority: "Informational", source: "k8s_audit", tags: ["k8s"], text: "Attach/Exec to pod",
    fields: () => ({ "ka.user.name": "deploy@example.com", "ka.verb": "create", "ka.target.subresource": "exec", "ka.uri.param[command]": "sh" }) },
  { weight: 8, rule: "Console Login Without MFA", priority: "Critical", source: "aws_cloudtrail", host: "cloudtrail", tags: ["aws", "aws_console", "mitre_valid_accounts"], text: "Detected a console login without MFA",
    fields: () => ({ "ct.user": "build-bot", "ct.srcip": "203.0.113.44", "ct.region": "eu-central-1", "ct.name": "ConsoleLogin" }) },
  { weight: 4, rule: "Clear Log Activities", priority: "Warning", tags: ["T1070", "filesystem", "mitre_defense_evasion"], text: "Log files were tampered",
    fields: () => ({ "proc.name": "truncate", "proc.exepath": "/usr/bin/truncate", "proc.cmdline": "truncate -s 0 /var/log/auth.log", "fd.name": "/var/log/auth.log" }) },
  { weight: 2, rule: "Debugfs Launched in Privileged Container", priority: "Debug", tags: ["T1611", "container", "process"], text: "Debugfs launched started in a privileged container",
    fields: () => ({ "proc.name": "debugfs", "proc.exepath": "/usr/sbin/debugfs", "proc.cmdline": "debugfs /dev/sda1" }) },
];
const BAD = { rule: "Drop and execute new binary in container", priority: "Critical", tags: ["T1543", "PCI_DSS_11.5.1", "container", "mitre_persistence"], text: "Executing binary not part of base image", pod: PODS[2], host: "worker-3",
  fields: () => ({ "proc.name": "xmrig", "proc.exepath": "/tmp/.x/xmrig", "proc.cmdline": "/tmp/.x/xmrig -o pool.example:3333 -u 4AbC --tls", "proc.pname": "bash", "proc.aname[2]": "runc", "proc.is_exe_upper_layer": true, "user.loginuid": -1 }) };

/** Numbers that look like chance and are the same each time. */
function chance(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

function of(kind, at, random) {
  const time = new Date(at).toISOString();
  const source = kind.source ?? "syscall";
  const pod = kind.pod ?? pick(random, PODS);
  const common = source === "syscall" ? { "container.id": "5892b41bcf46", "user.name": pick(random, ["root", "www-data", "app"]), ...pod } : source === "k8s_audit" ? { "k8s.ns.name": pod["k8s.ns.name"], "k8s.pod.name": pod["k8s.pod.name"] } : {};
  const fields = { ...common, ...kind.fields(random) };
  const told = Object.entries(fields).sort().map(([name, value]) => `${name}=${value}`).join(" ");
  return {
    hostname: kind.host ?? pick(random, HOSTS), output: `${time.slice(11, 23)}000000: ${kind.priority} ${kind.text} (${told})`,
    output_fields: { "evt.time": at * 1_000_000, ...fields }, priority: kind.priority, rule: kind.rule, source, tags: kind.tags, time,
  };
}

export function scene(count, now = Date.now()) {
  const random = chance(7);
  const all = KINDS.flatMap((kind) => Array(kind.weight).fill(kind));
  const bursts = all.filter(({ burst }) => burst);
  const made = [];
  for (let at = 0; at < count; at += 1) {
    const burst = random() < 0.4;
    const where = burst ? [0.18, 0.52, 0.83][Math.floor(random() * 3)] + (random() + random() - 1) * 0.04 : random();
    made.push(of(pick(random, burst ? bursts : all), Math.round(now - 990_000 + where * 988_000), random));
  }
  for (let at = 0; at < 4; at += 1) made.push(of(BAD, now - 21_000 - at * 14_000, random));
  return made.sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** What comes after the scene, one by one. */
export function more(seed) {
  const random = chance(seed);
  const all = KINDS.flatMap((kind) => Array(kind.weight).fill(kind));
  return () => of(pick(random, all), Date.now(), random);
}
