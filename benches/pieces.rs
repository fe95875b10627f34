//! Benchmarks of the single steps of an alert's path: `cargo bench --bench pieces`.
//!
//! Decoding a line, encoding its frame, evaluating a filter, appending a batch, reading a block.
//! The field benchmark measures them together, this one shows which of them changed.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark panics if it cannot continue")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use falconer::event::{self, Event, Origin};
use falconer::filter::Filter;
use falconer::hub::{Batch, Config, Epoch, Hub, Next};
use falconer::ingest::{self, Lines};
use falconer::query::Selection;

/// The number of alerts that come at once, about the capacity of a pipe.
const ALERTS: u64 = 64;

fn lines() -> Vec<String> {
    let time = "2026-01-30T10:00:00.123456789Z".parse::<jiff::Timestamp>().unwrap().into();
    (0..ALERTS).map(|number| ingest::demo::alert(number, time)).collect()
}

fn batch(lines: &[String]) -> Batch {
    let (mut batch, origin) = (Batch::default(), Origin::utc("host"));
    for line in lines {
        let push = |record: event::Record<'_>| batch.push(&record.event, &record.line, &origin);
        event::read(line.as_bytes(), || unreachable!(), push).unwrap();
    }
    batch
}

fn hub() -> Hub {
    Hub::new(Config::default(), Epoch::new(1))
}

fn cut_lines(criterion: &mut Criterion) {
    let text = lines().join("\n");
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(ALERTS));
    group.bench_function("cut a chunk", |bencher| {
        bencher.iter(|| {
            Lines::default().push(text.as_bytes(), |line| {
                black_box(line);
            })
        });
    });
    group.finish();
}

fn decode_and_encode(criterion: &mut Criterion) {
    let lines = lines();
    let mut group = criterion.benchmark_group("event");
    group.throughput(Throughput::Elements(ALERTS));
    group.bench_function("decode a line", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                let seen = |record: event::Record<'_>| drop(black_box(record));
                event::read(line.as_bytes(), || unreachable!(), seen).unwrap();
            }
        });
    });
    group.bench_function("decode and encode", |bencher| {
        let (mut frames, origin) = (Vec::new(), Origin::utc("host"));
        bencher.iter(|| {
            frames.clear();
            for line in &lines {
                let encode =
                    |record: event::Record<'_>| event::encode(&record.event, &origin, &mut frames);
                event::read(line.as_bytes(), || unreachable!(), encode).unwrap();
            }
            black_box(frames.len())
        });
    });
    group.finish();
}

/// Falco's own example lines, for the filters.
const EXAMPLES: &str = include_str!("../tests/data/falco-example-lines.jsonl");

/// Decodes all lines once and passes the alerts to `then`. It recurses, because an alert only lives
/// inside the closure of its `event::read`.
fn decoded<'l>(
    mut lines: impl Iterator<Item = &'l str>,
    events: Vec<Event<'_>>,
    then: &mut dyn FnMut(&[Event<'_>]),
) {
    let Some(line) = lines.next() else { return then(&events) };
    let read = |record: event::Record<'_>| {
        let mut events: Vec<Event<'_>> = events;
        events.push(record.event);
        let lines: Box<dyn Iterator<Item = &str>> = Box::new(lines);
        decoded(lines, events, then);
    };
    event::read(line.as_bytes(), || unreachable!(), read).unwrap();
}

fn filter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(EXAMPLES.lines().count() as u64));
    decoded(EXAMPLES.lines(), Vec::new(), &mut |events| {
        for text in [
            "priority >= warning",
            "proc.name = cat",
            "rule contains shell and not k8s.ns.name exists",
            "shell",
            "fd.name glob /etc/*",
        ] {
            let filter: Filter = text.parse().unwrap();
            group.bench_function(text, |bencher| {
                bencher.iter(|| events.iter().filter(|event| filter.matches(*event)).count());
            });
        }
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse", |bencher| {
        let text = "rule contains shell and not k8s.ns.name exists";
        bencher.iter(|| black_box(text).parse::<Filter>().unwrap());
    });
    group.finish();
}

/// Evaluates filters on alerts of the log: by their labels, and by decoding parts of the line.
fn select(criterion: &mut Criterion) {
    let hub = hub();
    hub.append(&mut batch(&lines()));
    let Next::Alerts(slice) = hub.next(hub.oldest(), usize::MAX) else { unreachable!() };
    let mut group = criterion.benchmark_group("select");
    group.throughput(Throughput::Elements(slice.alerts().count() as u64));
    for text in ["priority >= warning", "proc.name = cat", "shell", "fd.name glob /etc/*"] {
        let selection = Selection { filter: Some(text.parse().unwrap()), ..Selection::default() };
        group.bench_function(text, |bencher| {
            bencher.iter(|| slice.alerts().filter(|alert| selection.takes(alert)).count());
        });
    }
    group.finish();
}

fn append(criterion: &mut Criterion) {
    let lines = lines();
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(ALERTS));
    let full = hub();
    group.bench_function("append a batch", |bencher| {
        bencher.iter_batched(
            || batch(&lines),
            |mut batch| full.append(&mut batch),
            BatchSize::SmallInput,
        );
    });
    let singly = hub();
    group.bench_function("append one by one", |bencher| {
        let singles = || lines.iter().map(|line| batch(std::slice::from_ref(line)));
        bencher.iter_batched(
            || singles().collect::<Vec<_>>(),
            |batches| {
                for mut batch in batches {
                    singly.append(&mut batch);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn read_blocks(criterion: &mut Criterion) {
    let (hub, lines) = (hub(), lines());
    for _ in 0..100 {
        hub.append(&mut batch(&lines));
    }
    let mut group = criterion.benchmark_group("hub");
    group.throughput(Throughput::Elements(hub.head() - hub.oldest()));
    group.bench_function("read everything", |bencher| {
        bencher.iter(|| {
            let mut next = hub.oldest();
            while let Next::Alerts(slice) = hub.next(next, 64 << 10) {
                next = slice.end();
                black_box(slice.frames());
            }
        });
    });
    group.finish();
}

criterion_group!(pieces, cut_lines, decode_and_encode, filter, select, append, read_blocks);
criterion_main!(pieces);
