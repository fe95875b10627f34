// Texts to paste are safe where they are pasted: shell, YAML, filter.

import { describe, expect, it } from "vitest";
import { readAlert } from "../src/model/alert";
import { curlAlert, curlStream, exceptionYaml, filterOf, grpcurl, shellQuote, testAlert, usualFields, wiring, yamlText } from "../src/model/copyas";

const alert = readAlert({
  rule: "Read: sensitive", priority: "Warning",
  output_fields: { "proc.name": "cat", "fd.name": "/etc/shadow", "proc.exepath": "", "container.image.repository": null, "proc.cmdline": "cat 'x'; rm -rf \"$HOME\"" },
});

describe("commands", () => {
  it("quote for the shell", () => {
    expect(shellQuote("a'b")).toBe("'a'\\''b'");
    expect(shellQuote("$(reboot)")).toBe("'$(reboot)'");
  });
  it("carry the filter", () => {
    expect(curlStream("http://h:1", "proc.name = 'x'", false)).toBe(
      "curl -N -H 'Accept: application/x-ndjson' 'http://h:1/api/v1/events/stream?filter=proc.name+%3D+%27x%27'");
    expect(curlAlert("http://h:1", "e.1", true)).toBe('curl -s -H "Authorization: Bearer $TOKEN" http://h:1/api/v1/events/e.1');
    expect(grpcurl("unix:///run/falco/falco.sock", "")).toBe("grpcurl -plaintext -unix /run/falco/falco.sock falco.outputs.service/sub");
    expect(grpcurl("0.0.0.0:5060", "rule = x")).toBe(
      "grpcurl -cacert ca.crt -cert client.crt -key client.key -H 'falconer-filter: rule = x' localhost:5060 falco.outputs.service/sub");
    expect(grpcurl("", "x")).toBe("");
  });
  it("find alerts alike", () => {
    expect(usualFields(alert)).toEqual(["proc.name", "fd.name"]);
    expect(filterOf(alert, ["proc.name", "fd.name", "nothing"])).toBe('rule = "Read: sensitive" and proc.name = cat and fd.name = /etc/shadow');
  });
});

describe("a rule exception", () => {
  it("is Falco's YAML with every text safe", () => {
    const yaml = exceptionYaml(alert, ["proc.name", "proc.cmdline", "container.image.repository"]);
    expect(yaml).toContain('- rule: "Read: sensitive"\n  exceptions:\n    - name: from_falconer\n      fields: [proc.name, proc.cmdline]\n      comps: ["=", "="]');
    expect(yaml).toContain(`- [cat, "cat 'x'; rm -rf \\"$HOME\\""]`);
    expect(yaml).toContain("  override:\n    exceptions: append\n");
  });
  it("never lets a value be anything but text", () => {
    for (const text of ["yes", "null", "12", "- a", "a: b", "#x", "", "a\nb", "*a", "&a", "!t"]) expect(yamlText(text)).toBe(JSON.stringify(text));
    expect(yamlText("\u202e")).toBe('"\\u202e"');
    expect(yamlText("a\u{e0041}\u115f")).toBe('"a\\U000e0041\\u115f"');
    expect(yamlText("Terminal shell in container")).toBe("Terminal shell in container");
  });
});

it("wires Falco to this very server", () => {
  const texts = (origin: string, withToken: boolean) => wiring(origin, withToken).map(({ text }) => text);
  expect(texts("http://127.0.0.1:2804", false)[0]).toContain("url: http://127.0.0.1:2804/\n");
  expect(texts("http://127.0.0.1:2804", false)[1]).toContain("program: falconer ingest\n");
  expect(texts("http://localhost:9000", false)[1]).toContain("falconer ingest --server http://localhost:9000\n");
  const [posts, starts] = texts("https://node:2804", true);
  expect(posts).toContain("url: https://falco:TOKEN@node:2804/ ");
  expect(posts).toContain("ca_cert: ");
  expect(starts).toContain("--server https://node:2804 --token-file /etc/falco/falconer.token --ca ");
  expect(JSON.parse(testAlert(new Date(0)))).toMatchObject({ priority: "Notice", time: "1970-01-01T00:00:00.000Z" });
});
