//! Tests of the log: order, exact gaps, the bound, and marks that never move back.

use proptest::prelude::*;

use super::*;
use crate::event::{self, Origin};

fn hub(retain: u64) -> Hub {
    Hub::new(Config { retain }, Epoch::new(7))
}

/// Returns a batch of alerts numbered from `first`, each with `padding` bytes of output.
fn batch(first: u64, count: u64, padding: usize) -> Batch {
    let mut batch = Batch::default();
    for number in first..first + count {
        let line = format!(
            r#"{{"rule":"r{number}","priority":"Error","output":"{}","time":"2026-01-30T10:00:{:02}Z"}}"#,
            "x".repeat(padding),
            number % 60,
        );
        event::read(
            line.as_bytes(),
            || unreachable!(),
            |record| {
                batch.push(&record.event, &record.line, &Origin::utc("host"));
            },
        )
        .unwrap();
    }
    batch
}

/// Returns the rule of each frame in `frames`.
fn rules(mut frames: &[u8]) -> Vec<String> {
    use prost::Message;
    let mut rules = Vec::new();
    while !frames.is_empty() {
        let length = u32::from_be_bytes(frames[1..5].try_into().unwrap()) as usize;
        let message = crate::proto::falco::outputs::Response::decode(&frames[5..5 + length]);
        rules.push(message.unwrap().rule);
        frames = &frames[5 + length..];
    }
    rules
}

/// Reads everything from `from` on. Returns the numbers in the frames and lines, and how many
/// alerts were lost.
fn read_all(hub: &Hub, mut from: u64, budget: usize) -> (Vec<u64>, u64) {
    let (mut seen, mut lost) = (Vec::new(), 0);
    loop {
        match hub.next(from, budget) {
            Next::Alerts(slice) => {
                assert_eq!(slice.first(), from);
                let numbers: Vec<u64> =
                    rules(&slice.frames()).iter().map(|rule| rule[1..].parse().unwrap()).collect();
                let lines: Vec<_> = slice.alerts().map(|alert| alert.line).collect();
                let frames: Vec<u8> =
                    slice.alerts().flat_map(|alert| alert.frame.to_vec()).collect();
                assert_eq!(frames, slice.frames());
                assert_eq!(numbers.len() as u64, slice.end() - slice.first());
                assert_eq!(lines.len(), numbers.len());
                for (line, number) in lines.iter().zip(&numbers) {
                    let line = std::str::from_utf8(line).unwrap();
                    assert!(line.starts_with(&format!(r#"{{"rule":"r{number}","#)), "{line}");
                    assert!(line.ends_with('}'));
                }
                seen.extend(numbers);
                from = slice.end();
            }
            Next::Lost(gap) => {
                assert_eq!(gap.first, from);
                lost += gap.count();
                from = gap.end;
            }
            Next::CaughtUp => return (seen, lost),
        }
    }
}

#[test]
fn alerts_are_read_in_order_whatever_the_batches() {
    let hub = hub(DEFAULT_RETAIN);
    let mut next = 1;
    for count in [1, 1, 1, 5, 200, 1, 1, 40, 3] {
        hub.append(&mut batch(next, count, 900));
        next += count;
    }
    for budget in [0, 1, 2_000, 64 << 10, usize::MAX] {
        assert_eq!(read_all(&hub, 1, budget), ((1..next).collect(), 0), "budget {budget}");
    }
    assert_eq!(read_all(&hub, 100, 5_000), ((100..next).collect(), 0));
    assert!(matches!(hub.next(next, 1), Next::CaughtUp));
    assert!(matches!(hub.next(next + 1_000, 1), Next::CaughtUp));
}

#[test]
fn single_alerts_are_merged_into_few_blocks() {
    let hub = hub(DEFAULT_RETAIN);
    for number in 1..=1_000 {
        hub.append(&mut batch(number, 1, 100));
    }
    let (mut from, mut slices) = (1, 0);
    while let Next::Alerts(slice) = hub.next(from, usize::MAX) {
        from = slice.end();
        slices += 1;
    }
    assert_eq!(from, 1_001);
    assert!(slices < 30, "{slices} slices");
}

#[test]
fn the_bound_holds_and_gaps_are_exact() {
    let retain = 1 << 20;
    let hub = hub(retain);
    for number in 1..=5_000 {
        hub.append(&mut batch(number, 1, 900));
        assert!(hub.stats().retained_bytes as u64 <= retain);
    }
    let oldest = hub.oldest();
    assert!(oldest > 1 && hub.stats().retained == 5_001 - oldest);
    let (seen, lost) = read_all(&hub, 1, 10_000);
    assert_eq!(lost, oldest - 1);
    assert_eq!(seen, (oldest..=5_000).collect::<Vec<_>>());
    assert_eq!(hub.stats().lost, oldest - 1);
}

#[test]
fn an_alert_larger_than_the_bound_is_delivered() {
    let hub = hub(10_000);
    hub.append(&mut batch(1, 3, 100));
    hub.append(&mut batch(4, 1, 500_000));
    assert_eq!(read_all(&hub, 1, 100), (vec![4], 3));
}

#[test]
fn a_group_resumes_at_its_mark_which_never_moves_back() {
    let hub = hub(DEFAULT_RETAIN);
    hub.append(&mut batch(1, 10, 10));
    assert_eq!(hub.group("default"), Ok(1));
    hub.advance("default", 6);
    hub.advance("default", 4);
    assert_eq!(hub.group("default"), Ok(6));
    assert_eq!(hub.group("siem"), Ok(1));
    hub.advance("siem", 11);
    assert_eq!(hub.group("siem"), Ok(11));
    for name in ["", "a b", "é", "\u{7f}", &"x".repeat(MAX_GROUP_NAME + 1)] {
        assert_eq!(hub.group(name), Err(GroupError::Name), "{name:?}");
    }
}

#[test]
fn only_the_default_group_loses_alerts_evicted_before_its_first_reader() {
    let hub = hub(100_000);
    for number in 1..=500 {
        hub.append(&mut batch(number, 1, 900));
    }
    assert_eq!(hub.group("default"), Ok(1));
    assert_eq!(hub.group("late"), Ok(hub.oldest()));
    assert!(hub.oldest() > 1);
}

#[test]
fn the_number_of_groups_is_limited() {
    let hub = hub(DEFAULT_RETAIN);
    for number in 0..MAX_GROUPS {
        hub.group(&format!("g{number}")).unwrap();
    }
    assert_eq!(hub.group("one-more"), Err(GroupError::TooMany));
    assert!(hub.group("g0").is_ok() && hub.group("default").is_ok());
}

#[test]
fn claims_give_each_alert_to_exactly_one_reader() {
    let hub = std::sync::Arc::new(hub(DEFAULT_RETAIN));
    hub.append(&mut batch(1, 2_000, 100));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let hub = hub.clone();
            std::thread::spawn(move || {
                let mut taken = Vec::new();
                while let Next::Alerts(slice) = hub.claim("default", u64::MAX, 1_000).unwrap() {
                    taken.extend(slice.first()..slice.end());
                }
                taken
            })
        })
        .collect();
    let mut all: Vec<u64> = readers.into_iter().flat_map(|r| r.join().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=2_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_waiting_reader_is_woken() {
    let hub = std::sync::Arc::new(hub(DEFAULT_RETAIN));
    let mut head = hub.watch_head();
    assert_eq!(*head.borrow_and_update(), 1);
    let appended = hub.clone();
    let writer = tokio::task::spawn_blocking(move || appended.append(&mut batch(1, 3, 10)));
    head.changed().await.unwrap();
    assert_eq!(*head.borrow_and_update(), 4);
    writer.await.unwrap();
}

#[test]
fn since_finds_the_first_alert_at_or_after_a_time() {
    let hub = hub(DEFAULT_RETAIN);
    hub.append(&mut batch(1, 30, 10));
    let at = |text: &str| Time::from(text.parse::<jiff::Timestamp>().unwrap());
    assert_eq!(hub.since(at("2026-01-30T09:00:00Z")), 1);
    assert_eq!(hub.since(at("2026-01-30T10:00:10Z")), 10);
    assert_eq!(hub.since(at("2026-01-30T11:00:00Z")), 31);
}

proptest! {
    #[test]
    fn any_batches_any_bound_any_budget(
        sizes in prop::collection::vec((1_u64..20, 0_usize..3_000), 1..40),
        retain in 1_000_u64..200_000,
        budget in 0_usize..100_000,
        start in 1_u64..50,
    ) {
        let hub = hub(retain);
        let mut next = 1;
        for (count, padding) in sizes {
            hub.append(&mut batch(next, count, padding));
            next += count;
        }
        let oldest = hub.oldest();
        let (seen, lost) = read_all(&hub, start, budget);
        prop_assert_eq!(lost, oldest.saturating_sub(start));
        prop_assert_eq!(seen, (start.max(oldest)..next).collect::<Vec<_>>());
    }
}
