//! Invented alerts of the shapes Falco's stable rules make, for a first look without Falco.
//!
//! Deterministic but for the time: alert number `n` is always of the same rule on the same host,
//! so that a demonstration, a test and a screenshot look alike.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Input, Intake, Line, now};
use crate::event::Time;

/// Feeds `rate` alerts a second to `intake` until `stop`.
pub async fn run(intake: &Intake, rate: u32, stop: CancellationToken) {
    /// Alerts are made this often, as many as are due.
    const TICK: Duration = Duration::from_millis(50);
    let start = tokio::time::Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    let mut made = 0_u64;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let due = start.elapsed().as_micros() * u128::from(rate) / 1_000_000 + 1;
        let mut delivery = intake.begin(Input::Demo);
        while u128::from(made) < due {
            delivery.line(Line::Whole(alert(made, now()).as_bytes()));
            made += 1;
        }
        delivery.finish();
    }
}

/// Alert number `number` as a line of Falco's JSON (the layout of 0.39 and later).
#[must_use]
pub fn alert(number: u64, time: Time) -> String {
    let pick = |choices: &[&'static str], salt: u64| {
        let count = choices.len().max(1) as u64;
        let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ salt;
        usize::try_from(mixed % count).ok().and_then(|at| choices.get(at)).copied().unwrap_or("")
    };
    let scene = &SCENES[usize::try_from(number).unwrap_or_default() % SCENES.len()];
    let mut fields: Map<String, Value> = Map::new();
    fields.insert("container.id".into(), pick(&["5892b41bcf46", "ee97d9c4186f", "host"], 1).into());
    fields.insert("evt.time".into(), nanoseconds(time).into());
    fields.insert(
        "k8s.ns.name".into(),
        pick(&["default", "prod", "staging", "kube-system"], 2).into(),
    );
    fields.insert(
        "k8s.pod.name".into(),
        pick(&["web-7d9f", "api-5c4b", "worker-0", "db-0"], 3).into(),
    );
    fields
        .insert("proc.pname".into(), pick(&["bash", "runc", "sshd", "containerd-shim"], 4).into());
    fields.insert("user.name".into(), pick(&["root", "www-data", "deploy"], 5).into());
    for (name, value) in scene.fields {
        fields.insert((*name).into(), (*value).into());
    }
    fields.insert("user.loginuid".into(), json!(-1));
    fields.insert(
        "container.image.repository".into(),
        match number % 5 {
            0 => Value::Null,
            _ => pick(
                &["docker.io/library/alpine", "docker.io/library/nginx", "quay.io/acme/api"],
                6,
            )
            .into(),
        },
    );
    let stamp = time.to_string();
    let clock = stamp.get(11..29).unwrap_or_default();
    let details: Vec<String> = fields
        .iter()
        .filter(|(name, _)| *name != "evt.time")
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            Value::Null => format!("{name}=<NA>"),
            other => format!("{name}={other}"),
        })
        .collect();
    json!({
        "hostname": pick(&["node-a", "node-b", "node-c"], 7),
        "output": format!("{clock}: {} {} ({})", scene.priority, scene.message, details.join(" ")),
        "output_fields": fields,
        "priority": scene.priority,
        "rule": scene.rule,
        "source": scene.source,
        "tags": scene.tags,
        "time": stamp,
    })
    .to_string()
}

fn nanoseconds(time: Time) -> i64 {
    time.seconds().saturating_mul(1_000_000_000).saturating_add(i64::from(time.nanos()))
}

struct Scene {
    rule: &'static str,
    priority: &'static str,
    source: &'static str,
    message: &'static str,
    tags: &'static [&'static str],
    fields: &'static [(&'static str, &'static str)],
}

const SCENES: [Scene; 6] = [
    Scene {
        rule: "Terminal shell in container",
        priority: "Notice",
        source: "syscall",
        message: "A shell was spawned in a container with an attached terminal",
        tags: &["T1059", "container", "maturity_stable", "mitre_execution", "shell"],
        fields: &[("proc.name", "sh"), ("proc.cmdline", "sh -c id; uname -a")],
    },
    Scene {
        rule: "Read sensitive file untrusted",
        priority: "Warning",
        source: "syscall",
        message: "Sensitive file opened for reading by non-trusted program",
        tags: &["T1555", "container", "filesystem", "host", "maturity_stable"],
        fields: &[
            ("fd.name", "/etc/shadow"),
            ("proc.cmdline", "cat /etc/shadow"),
            ("proc.name", "cat"),
        ],
    },
    Scene {
        rule: "Drop and execute new binary in container",
        priority: "Critical",
        source: "syscall",
        message: "Executing binary not part of base image",
        tags: &["PCI_DSS_11.5.1", "TA0003", "container", "maturity_stable", "process"],
        fields: &[("proc.cmdline", "/tmp/.x/miner -o pool"), ("proc.name", "miner")],
    },
    Scene {
        rule: "Contact K8S API Server From Container",
        priority: "Notice",
        source: "syscall",
        message: "Unexpected connection to K8s API Server from container",
        tags: &["T1565", "container", "k8s", "maturity_stable", "network"],
        fields: &[
            ("fd.name", "10.2.0.17:51282->10.96.0.1:443"),
            ("proc.cmdline", "curl -k https://10.96.0.1/api"),
            ("proc.name", "curl"),
        ],
    },
    Scene {
        rule: "Attach/Exec Pod",
        priority: "Informational",
        source: "k8s_audit",
        message: "Attach/Exec to pod",
        tags: &["k8s"],
        fields: &[("ka.target.name", "web-7d9f"), ("ka.uri.param[command]", "sh")],
    },
    Scene {
        rule: "Console Login Without MFA",
        priority: "Error",
        source: "aws_cloudtrail",
        message: "Detected a console login without MFA",
        tags: &["aws", "aws_iam", "cloud"],
        fields: &[("ct.region", "us-east-1"), ("ct.user", "bob")],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[test]
    fn invented_alerts_are_read_as_alerts() {
        for number in 0..50 {
            let line = alert(number, now());
            event::read(
                line.as_bytes(),
                || unreachable!(),
                |record| {
                    assert_eq!(record.line, line);
                    assert!(record.event.output.contains(record.event.priority.name()));
                },
            )
            .unwrap();
        }
    }
}
