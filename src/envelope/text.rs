//! Reads lines that begin with a header. `A` is where the alert begins.
//!
//! | a line | is written by |
//! |---|---|
//! | `TIME stdout F A` | containerd, CRI-O: Kubernetes' kubelet-cri-logging.md, and the kubelet's reader `pkg/kubelet/kuberuntime/logs/logs.go` (1.34). `P` is a part, tags are separated by `:` |
//! | `[pod/NAME/CONTAINER] A` | `kubectl logs --prefix` (`kubectl/pkg/cmd/logs/logs.go`, 1.34) |
//! | `TIME A` | `kubectl logs --timestamps`, after the prefix if both are set; `docker logs -t` |
//! | `falco-1  \| A` | `docker compose logs` (2.40) |
//! | `falco.1.ID@NODE    \| A` | `docker service logs` (28.0) |
//! | `TIME⇥TAG⇥A` | fluentd's `out_file` (1.16, `formatter_out_file.rb`) |
//! | `2026-01-30 10:00:00.000000000 +0000 TAG: A` | fluentd's `out_stdout` (1.16) |
//!
//! Syslog's headers are in [`super::syslog`].

use jiff::ZonedDateTime;

use super::header::{Header, machine, word};
use super::join::Share;
use super::{Kind, Stream, syslog, times};

/// Returns the header that a line begins with, if it is a known one.
pub(super) fn read<'a>(line: &'a [u8], now: &dyn Fn() -> ZonedDateTime) -> Option<Header<'a>> {
    match line.first()? {
        b'[' => pod(line),
        b'<' => syslog::with_priority(line, now),
        b'0'..=b'9' => {
            cri(line).or_else(|| syslog::read(line, now)).or_else(|| timed(line)).or_else(|| {
                fluentd_file(line).or_else(|| fluentd_stdout(line)).or_else(|| composed(line))
            })
        }
        _ => syslog::read(line, now).or_else(|| composed(line)),
    }
}

fn cri(line: &[u8]) -> Option<Header<'_>> {
    let (time, rest) = word(line)?;
    let (stream, rest) = word(rest)?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let (tags, rest) = word(rest).unwrap_or((rest.trim_ascii_end(), b""));
    let more = match tags.split(|byte| *byte == b':').next()? {
        b"P" => true,
        b"F" => false,
        _ => return None,
    };
    let time = Some(times::rfc3339(time)?);
    let share = Share { kind: Kind::Cri, stream, of: 0, more, doubtful: false };
    Some(Header { time, share: Some(share), ..Header::new(Kind::Cri, rest) })
}

/// Uses the pod's name as the host of an alert without one. Falco in a container does the same
/// unless `FALCO_HOSTNAME` is set.
fn pod(line: &[u8]) -> Option<Header<'_>> {
    let rest = line.strip_prefix(b"[pod/")?;
    let end = memchr::memchr(b']', rest)?;
    let (name, rest) = rest.split_at_checked(end)?;
    let slash = memchr::memchr(b'/', name)?;
    let (pod, container) = name.split_at_checked(slash)?;
    let hostname = Some(machine(pod)?);
    machine(container.get(1..)?)?;
    Some(Header { hostname, ..Header::new(Kind::Prefix, rest.strip_prefix(b"] ")?) })
}

fn timed(line: &[u8]) -> Option<Header<'_>> {
    let (time, rest) = word(line)?;
    Some(Header { time: Some(times::rfc3339(time)?), ..Header::new(Kind::Prefix, rest) })
}

fn composed(line: &[u8]) -> Option<Header<'_>> {
    let (name, rest) = word(line)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"| ")?;
    let mut parts = name.split(|byte| *byte == b'@');
    machine(parts.next()?)?;
    let hostname = match parts.next() {
        Some(node) => Some(machine(node)?),
        None => None,
    };
    parts.next().is_none().then(|| Header { hostname, ..Header::new(Kind::Prefix, rest) })
}

fn fluentd_file(line: &[u8]) -> Option<Header<'_>> {
    let mut parts = line.splitn(3, |byte| *byte == b'\t');
    let time = Some(times::rfc3339(parts.next()?)?);
    parts.next()?;
    Some(Header { time, ..Header::new(Kind::Shipper, parts.next()?) })
}

fn fluentd_stdout(line: &[u8]) -> Option<Header<'_>> {
    let (date, rest) = word(line)?;
    let (clock, rest) = word(rest)?;
    let (offset, rest) = word(rest)?;
    let (tag, rest) = word(rest)?;
    tag.strip_suffix(b":")?;
    let time = Some(times::rfc3339(&[date, b"T", clock, offset].concat())?);
    Some(Header { time, ..Header::new(Kind::Shipper, rest) })
}
