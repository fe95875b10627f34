//! Demo alerts with the layout of Falco's stable rules, for a first look without Falco.
//!
//! They are deterministic except for the time: alert number `n` always has the same rule and host,
//! so that a demonstration, a test and a screenshot look alike.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Input, Intake, Line, now};
use crate::event::Time;

/// Feeds `rate` alerts a second to `intake` until `stop`. If the machine is too slow for that, it
/// feeds fewer.
pub async fn run(intake: &Intake, rate: u32, stop: CancellationToken) {
    /// How often the alerts that are due are made.
    const TICK: Duration = Duration::from_millis(50);
    /// The maximum number of alerts per tick, so that a too high rate does not block other tasks.
    const MOST: u64 = 5_000;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut delivery = intake.begin(Input::Demo);
    let (mut number, mut owed) = (0, 1.0);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let now_is = Instant::now();
        owed += (now_is - last).as_secs_f64() * f64::from(rate);
        last = now_is;
        let mut made = 0;
        while owed >= 1.0 && made < MOST {
            delivery.line(Line::Whole(alert(number, now()).as_bytes()));
            (number, made, owed) = (number + 1, made + 1, owed - 1.0);
        }
        delivery.finish();
        // Do not make up for more than a second of alerts.
        owed = owed.min(f64::from(rate));
        tokio::task::yield_now().await;
    }
}

/// Returns alert number `number` as a line of Falco's JSON (the layout of 0.39 and later).
#[must_use]
pub fn alert(number: u64, time: Time) -> String {
    let scene = at(&SCENES, number).unwrap_or(&SHELL);
    let fields = fields(number, time, scene);
    let details: Vec<_> =
        fields.iter().filter(|(name, _)| *name != "evt.time").map(shown).collect();
    let stamp = time.to_string();
    // Falco's text begins with the time of day, without the date and `Z`.
    let clock = stamp.get(11..29).unwrap_or_default();
    let Scene { rule, priority, source, message, tags, .. } = scene;
    json!({
        "hostname": pick(number, 0, &["node-a", "node-b", "node-c"]),
        "output": format!("{clock}: {priority} {message} ({})", details.join(" ")),
        "output_fields": fields,
        "priority": priority,
        "rule": rule,
        "source": source,
        "tags": tags,
        "time": stamp,
    })
    .to_string()
}

fn fields(number: u64, time: Time, scene: &Scene) -> Map<String, Value> {
    let images = ["docker.io/library/alpine", "docker.io/library/nginx", "quay.io/acme/api"];
    // Sometimes Falco does not know the image. It writes null in JSON and `<NA>` in text.
    let image =
        if number.is_multiple_of(5) { Value::Null } else { pick(number, 1, &images).into() };
    let common = [
        ("container.id", pick(number, 2, &["5892b41bcf46", "ee97d9c4186f", "host"]).into()),
        ("container.image.repository", image),
        ("evt.time", nanoseconds(time).into()),
        ("k8s.ns.name", pick(number, 3, &["default", "prod", "staging", "kube-system"]).into()),
        ("k8s.pod.name", pick(number, 4, &["web-7d9f", "api-5c4b", "worker-0", "db-0"]).into()),
        ("proc.pname", pick(number, 5, &["bash", "runc", "sshd", "containerd-shim"]).into()),
        ("user.loginuid", (-1).into()),
        ("user.name", pick(number, 6, &["root", "www-data", "deploy"]).into()),
    ];
    let own = scene.fields.iter().map(|&(name, value)| (name, Value::from(value)));
    common.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Formats a field as in the text of an alert.
fn shown((name, value): (&String, &Value)) -> String {
    match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Null => format!("{name}=<NA>"),
        other => format!("{name}={other}"),
    }
}

/// Picks one of `choices`, all with about the same frequency. Each `salt` gives another sequence.
fn pick(number: u64, salt: u32, choices: &[&'static str]) -> &'static str {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7 * salt + 11);
    at(choices, mixed).copied().unwrap_or_default()
}

/// Returns the element of `list` at `number` modulo its length.
fn at<T>(list: &[T], number: u64) -> Option<&T> {
    let length = u64::try_from(list.len()).ok().filter(|length| *length > 0)?;
    list.get(usize::try_from(number % length).ok()?)
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

const SHELL: Scene = Scene {
    rule: "Terminal shell in container",
    priority: "Notice",
    source: "syscall",
    message: "A shell was spawned in a container with an attached terminal",
    tags: &["T1059", "container", "maturity_stable", "mitre_execution", "shell"],
    fields: &[("proc.name", "sh"), ("proc.cmdline", "sh -c id; uname -a")],
};

const SCENES: [Scene; 6] = [
    SHELL,
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
    use std::sync::Arc;

    use super::*;
    use crate::event::{self, Origin};
    use crate::hub::{self, Epoch, Hub};

    #[tokio::test]
    async fn a_too_high_rate_still_delivers_and_stops() {
        let hub = Arc::new(Hub::new(hub::Config { retain: 1 << 20 }, Epoch::new(1)));
        let intake = Intake::new(hub.clone(), Origin::utc(""));
        let stop = CancellationToken::new();
        let stopping = async {
            while hub.stats().received < 10_000 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let both = async { tokio::join!(run(&intake, 1_000_000, stop.clone()), stopping) };
        tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    }

    #[test]
    fn demo_alerts_decode_as_alerts() {
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
