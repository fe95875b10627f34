// "Copy as": commands and texts from an alert, the filter and the server's address. Everything from an
// alert is quoted for its target. Nothing is executed here.

import { display, type Alert, type FieldValue } from "./alert";
import { fieldName, joined, quote, writable } from "./filter";
import { address } from "./api";
import { ODD } from "./visible";

/** Quotes a text as one word of a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The live stream of this filter on the command line. */
export function curlStream(root: string, filter: string, withToken: boolean): string {
  return [
    "curl -N -H 'Accept: application/x-ndjson'",
    ...(withToken ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    shellQuote(root + address("/api/v1/events/stream", { filter })),
  ].join(" ");
}

/** One alert on the command line. */
export function curlAlert(root: string, cursor: string, withToken: boolean): string {
  return [
    "curl -s",
    ...(withToken ? ['-H "Authorization: Bearer $TOKEN"'] : []),
    shellQuote(`${root}/api/v1/events/${cursor}`),
  ].join(" ");
}

/**
 * The command for Falco's `sub` on this server's gRPC listener. A unix socket is without TLS. Over TCP,
 * Falco's gRPC always requires a client certificate. Empty if gRPC is disabled.
 */
export function grpcurl(grpc: string, filter: string): string {
  if (grpc === "") return "";
  const header = filter.trim() === "" ? "" : ` -H ${shellQuote(`falconer-filter: ${filter.trim()}`)}`;
  const socket = /^unix:(?:\/\/)?(\/.*)$/.exec(grpc);
  if (socket) return `grpcurl -plaintext -unix${header} ${shellQuote(socket[1] ?? "")} falco.outputs.service/sub`;
  const reachable = grpc.replace(/^(?:0\.0\.0\.0|\[::\])(?=:)/, "localhost");
  return `grpcurl -cacert ca.crt -cert client.crt -key client.key${header} ${shellQuote(reachable)} falco.outputs.service/sub`;
}

/** A filter that finds alerts like this one. */
export function filterOf(alert: Alert, fields: string[]): string {
  const found: string[] = [];
  if (alert.rule !== "" && writable(alert.rule)) found.push(`rule = ${quote(alert.rule)}`);
  for (const field of fields) {
    const value = alert.fields[field];
    if (value === null || value === undefined || typeof value === "object") continue;
    const text = display(value);
    if (writable(text)) found.push(`${fieldName(field, false)} = ${quote(text)}`);
  }
  return joined(found);
}

/** The fields that an exception usually has: actor, action and target. */
const USUAL = ["proc.name", "proc.exepath", "fd.name", "container.image.repository"];

export function usualFields(alert: Alert): string[] {
  return USUAL.filter((field) => isPlain(alert.fields[field]));
}

/** The fields whose value an exception can compare with `=`. */
export function isPlain(value: FieldValue | undefined): boolean {
  return value !== null && value !== undefined && typeof value !== "object" && value !== "" && value !== "<NA>";
}

/** A rule exception for Falco 0.36 or later, to append to a custom rules file. */
export function exceptionYaml(alert: Alert, fields: string[], name = "from_falconer"): string {
  const used = fields.filter((field) => isPlain(alert.fields[field]));
  const list = used.map(yamlText).join(", ");
  const values = used.map((field) => yamlText(display(alert.fields[field]))).join(", ");
  return [
    "# A new exception needs fields and comps; to add values to one the rule has already, keep its",
    "# name and leave fields and comps out. Check with: falco -V FILE",
    `- rule: ${yamlText(alert.rule)}`,
    "  exceptions:",
    `    - name: ${yamlText(name)}`,
    `      fields: [${list}]`,
    `      comps: [${used.map(() => '"="').join(", ")}]`,
    "      values:",
    `        - [${values}]`,
    "  override:",
    "    exceptions: append",
    "",
  ].join("\n");
}

/** A YAML scalar of this text. JSON strings are valid YAML. */
export function yamlText(text: string): string {
  const plain = /^[A-Za-z][\w.]*(?:[ /-][\w.]+)*$/.test(text) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(text);
  if (plain) return text;
  return JSON.stringify(text).replace(ODD, (one) => {
    const code = (one.codePointAt(0) ?? 0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, "0")}` : `\\u${code.padStart(4, "0")}`;
  });
}

/** The settings that connect Falco to this server, with the token if posts need one. */
export function wiring(root: string, withToken: boolean): { title: string; text: string }[] {
  const secure = root.startsWith("https:");
  const url = withToken ? root.replace("://", "://falco:TOKEN@") : root;
  const ca = "/etc/falco/certs/ca.crt";
  const ingest = [
    "falconer ingest",
    ...(/^http:\/\/(?:127\.0\.0\.1|localhost):2804$/.test(root) ? [] : ["--server", root]),
    ...(withToken ? ["--token-file", "/etc/falco/falconer.token"] : []),
    ...(secure ? ["--ca", ca] : []),
  ].join(" ");
  // The command line accepts no path, so it is not offered under a prefix.
  const reached = new URL(root).pathname === "/";
  return [
    {
      title: "Falco posts its alerts (falco.yaml)",
      text: [
        "json_output: true",
        "http_output:",
        "  enabled: true",
        `  url: ${url}/${withToken ? "   # the token that this page was given" : ""}`,
        ...(secure ? [`  ca_cert: ${ca}   # of who signed this server's certificate`] : []),
        ...(secure && !withToken ? ["  # mtls: true, client_cert and client_key, where it asks for one"] : []),
        "",
      ].join("\n"),
    },
    ...(reached
      ? [
          {
            title: "Falco starts a program (falco.yaml)",
            text: `json_output: true\nprogram_output:\n  enabled: true\n  keep_alive: true\n  program: ${ingest}\n`,
          },
        ]
      : []),
    {
      title: "Falconer follows Falco's file (falconer.yaml)",
      text: "falconer:\n  inputs:\n    files:\n      - /var/log/falco/events.json\n",
    },
  ];
}

/** A test alert. */
export function testAlert(now: Date): string {
  return JSON.stringify({
    hostname: "dashboard",
    output: `${now.toISOString()}: Notice Test alert sent from the Falconer dashboard (nothing happened)`,
    output_fields: { "evt.time.iso8601": now.toISOString(), "proc.name": "falconer", "user.name": "dashboard" },
    priority: "Notice",
    rule: "Falconer test alert",
    source: "internal",
    tags: ["test"],
    time: now.toISOString(),
  });
}
