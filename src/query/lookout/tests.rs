use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::expected::{Expected, REMEMBERED};
use super::*;
use crate::event::{self, Origin};
use crate::hub::{Batch, Config, Epoch, Next};

fn hub(retain: u64) -> Arc<Hub> {
    Arc::new(Hub::new(Config { retain }, Epoch::new(0xabc)))
}

fn append(hub: &Hub, rule: &str) {
    let line = format!(r#"{{"rule":"{rule}","priority":"Error","time":"2026-01-30T10:00:00Z"}}"#);
    let mut batch = Batch::default();
    event::read(
        line.as_bytes(),
        || unreachable!(),
        |r| batch.push(&r.event, &r.line, &Origin::utc("")),
    )
    .unwrap();
    hub.append(&mut batch);
}

async fn selection(filters: &Filters, text: &str) -> Selection {
    Selection { filter: Some(filters.prepare(text).await.unwrap()), ..Selection::default() }
}

/// Lets every other task do what it can.
async fn settle() {
    for _ in 0..50 {
        yield_now().await;
    }
}

/// Reads to the head, waits and continues, like a reader.
async fn read_on(hub: Arc<Hub>, selection: Selection, woken: &AtomicUsize, found: &AtomicUsize) {
    let mut arrivals = Arrivals::new(&hub, &selection);
    let mut next = 1;
    loop {
        arrivals.about_to_look();
        match hub.next(next, usize::MAX) {
            Next::Alerts(slice) => {
                let sifted = selection.sift(&slice).await;
                found.fetch_add(sifted.alerts(&slice).count(), Ordering::Relaxed);
                next = slice.end();
            }
            Next::Lost(gap) => panic!("lost {gap:?}"),
            Next::CaughtUp => {
                arrivals.wait(next).await;
                woken.fetch_add(1, Ordering::Relaxed);
                next = arrivals.next(next);
            }
        }
    }
}

#[tokio::test]
async fn only_alerts_that_may_match_wake_a_reader_and_none_is_missed() {
    static WOKEN: AtomicUsize = AtomicUsize::new(0);
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    // The log retains only a few alerts. An idle reader must not report lost alerts that its filter
    // does not match.
    let (hub, filters) = (hub(8 << 10), Filters::default());
    let looking = tokio::spawn(watch(hub.clone(), filters.clone()));
    settle().await;
    append(&hub, "rare");
    for text in ["rule = rare", "rule = rare", "rule = rare or proc.name = rare", "output = x"] {
        let selection = selection(&filters, text).await;
        tokio::spawn(read_on(hub.clone(), selection, &WOKEN, &FOUND));
    }
    settle().await;
    assert_eq!((WOKEN.load(Ordering::Relaxed), FOUND.load(Ordering::Relaxed)), (0, 3));
    for _ in 0..1000 {
        append(&hub, "common");
        yield_now().await;
    }
    settle().await;
    assert_eq!(WOKEN.load(Ordering::Relaxed), 0);
    for round in 2..10 {
        append(&hub, "rare");
        settle().await;
        assert_eq!(FOUND.load(Ordering::Relaxed), 3 * round);
    }
    assert_eq!(WOKEN.load(Ordering::Relaxed), 3 * 8);
    looking.abort();
}

#[tokio::test]
async fn without_the_watch_task_every_alert_wakes() {
    let (hub, filters) = (hub(1 << 20), Filters::default());
    let selection = selection(&filters, "rule = rare").await;
    let mut arrivals = Arrivals::new(&hub, &selection);
    arrivals.about_to_look();
    append(&hub, "common");
    arrivals.wait(1).await;
    assert_eq!(arrivals.next(1), 1);
}

#[test]
fn remembered_alerts_are_bounded() {
    let (hub, expected) = (hub(1 << 20), Expected::default());
    for number in 1..=3 * REMEMBERED as u64 {
        append(&hub, "any");
        let slice = hub.first_of(number, number + 1).unwrap();
        let may: &[u64] = if number.is_multiple_of(2) { &[number] } else { &[] };
        expected.note(&slice, may);
    }
    let last = 3 * REMEMBERED as u64;
    assert_eq!(expected.next(last - 1), last);
    assert_eq!(expected.next(last), last);
    assert_eq!(expected.next(last + 1), last + 1);
    // A position older than the remembered alerts: the reader continues there.
    assert_eq!(expected.next(1), 1);
    // A gap in the evaluated alerts makes it start again.
    append(&hub, "any");
    append(&hub, "any");
    expected.note(&hub.first_of(last + 2, last + 3).unwrap(), &[]);
    assert_eq!((expected.next(last), expected.next(last + 2)), (last, last + 3));
}
