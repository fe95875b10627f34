// Invented alerts of Falco's shapes.

let count = 0;

export function alert(change = {}) {
  count += 1;
  const time = new Date().toISOString();
  const { output_fields: fields, ...rest } = change;
  return {
    hostname: "node-1",
    output: `${time}: Notice Terminal shell in container | user=root command=sh -c "run ${count}" container=nginx`,
    output_fields: {
      "evt.time": 1769796000123456789n.toString(), "proc.name": "sh", "proc.exepath": "/bin/sh", "proc.cmdline": `sh -c run ${count}`,
      "container.image.repository": "docker.io/library/nginx", "fd.name": "/etc/shadow", "k8s.ns.name": "prod", "user.name": "root", "user.uid": 0,
      ...fields,
    },
    priority: "Notice", rule: "Terminal shell in container", source: "syscall", tags: ["T1059", "container", "mitre_execution"], time,
    ...rest,
  };
}

export const many = (number, change) => Array.from({ length: number }, () => alert(change));

/** What an attacker may write, and how it must look. */
export const HOSTILE = {
  command: 'sh -c </script><img src=x onerror="document.title=1">\u001b[31m\u202egnp.exe\u200b\u0000',
  seen: '</script><img src=x onerror="document.title=1">␛[31mU+202Egnp.exeU+200B␀',
};
