use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Takes every object with a `"n"` for an alert.
#[derive(Default)]
struct Seen {
    taken: Vec<u64>,
    rejected: Vec<(&'static str, String)>,
    bytes: usize,
}

impl Sink for Seen {
    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        self.bytes += record.len();
        let number = match serde_json::from_slice::<Value>(record) {
            Ok(Value::Object(object)) => object.get("n").and_then(Value::as_u64),
            Ok(_) => return Err(Reject::NotAnAlert),
            Err(_) => return Err(Reject::Malformed { column: 1 }),
        };
        self.taken.push(number.ok_or(Reject::Incomplete { key: "n" })?);
        Ok(())
    }

    fn reject(&mut self, reject: &Reject, record: &[u8]) {
        if !record.trim_ascii().is_empty() || *reject == Reject::TooLarge {
            self.rejected.push((reject.kind(), String::from_utf8_lossy(record).into_owned()));
        }
    }
}

fn seen(text: &str) -> Seen {
    let (mut records, mut seen) = (Records::default(), Seen::default());
    text.split('\n').for_each(|line| records.line(line.as_bytes(), &mut seen));
    records.end(&mut seen);
    seen
}

#[test]
fn records_are_found_however_they_are_separated() {
    let a = |n: u64| format!(r#"{{"n":{n},"x":"}}]{{\"[","y":[1,{{"z":-1.5e3}},null,true]}}"#);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&a(7)).unwrap());
    let (a, b, c, pretty) = (a(1), a(2), a(3), pretty.unwrap());
    for (text, taken, rejected) in [
        (format!("{a}\n{b}\n"), vec![1, 2], 0),
        (format!("[{a},{b}]"), vec![1, 2], 0),
        (format!("[{a}, {b}][{c}]"), vec![1, 2, 3], 0),
        (format!("[[{a}],[{b}]]"), vec![1, 2], 0),
        (format!("{a}{b} {c}"), vec![1, 2, 3], 0),
        (format!("[\n{a},\n{b}\n]\n{c}"), vec![1, 2, 3], 0),
        (format!("{pretty}\n{a}"), vec![7, 1], 0),
        (format!("{a}\n{pretty}{pretty}\n{b}"), vec![1, 7, 7, 2], 0),
        (format!("[{pretty},\n{pretty}]"), vec![7, 7], 0),
        ("[]\n[ ]\n,\n".to_owned(), vec![], 0),
        // One mistake costs one record, and no neighbour.
        (format!("{{\"n\":9,\n{a}\n{b}"), vec![1, 2], 1),
        (format!("{{\"n\":9,\"x\":\"torn\n{a}\n{b}"), vec![1, 2], 1),
        (format!("{{\"n\":9,\n{pretty}\n{b}"), vec![7, 2], 1),
        (format!("{{\n{{\n{pretty}\n{b}"), vec![7, 2], 2),
        (format!("{{\"n\":\n{a}"), vec![1], 1),
        (format!("{a}\n[info] started\n{b}"), vec![1, 2], 1),
        (format!("{a}\n{{\"other\":1}}\n{b}"), vec![1, 2], 1),
        (format!("[{a},{{\"other\":1}},{b}]"), vec![1, 2], 1),
        (format!("{a} garbage {b}\n{c}"), vec![1, 3], 1),
        (format!("text\n{a}\n\n{b}"), vec![1, 2], 1),
        (format!("[1,2]\n\"{{}}\"\n{a}"), vec![1], 2),
        (format!("{a}\n{{\"n\":8"), vec![1], 1),
    ] {
        let seen = seen(&text);
        assert_eq!(
            (seen.taken, seen.rejected.len()),
            (taken, rejected),
            "{text}\n{:?}",
            seen.rejected
        );
    }
}

#[test]
fn an_object_that_does_not_end_is_bounded_and_hostile_lines_cost_linear_work() {
    let line = "{\"a\":1,";
    let more = "\"b\":2,";
    let text = format!("{line}\n{}", format!("{more}\n").repeat(2 * MAX_RECORD / more.len()));
    let large = seen(&text);
    assert!(large.rejected.iter().any(|(kind, _)| *kind == "too_large"));
    for line in ["{", "{\"a\":", "{\"a\":[", "[{", "{}", "{\"n\":1}{", "[{\"n\":1},"] {
        let text = format!("{line}\n").repeat(20_000);
        assert!(seen(&text).bytes <= 4 * text.len(), "{line}");
    }
}

/// A record, printed in some way.
fn record() -> impl Strategy<Value = (u64, String)> {
    (0_u64..100, any::<bool>(), "[a-z{}\\[\\],:\" ]{0,6}").prop_map(|(n, pretty, text)| {
        let value = serde_json::json!({ "n": n, "t": text, "l": [{}, [], { "a": null }] });
        let print = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        (n, print(&value).unwrap())
    })
}

proptest! {
    #[test]
    fn any_layout_gives_every_record(
        records in prop::collection::vec(
            (record(), prop::sample::select(vec!["\n", "", " ", ",\n", "\n\n", "]["])), 0..8
        ),
    ) {
        let text: String =
            records.iter().flat_map(|((_, text), between)| [text.as_str(), between]).collect();
        let expected: Vec<u64> = records.iter().map(|((n, _), _)| *n).collect();
        let seen = seen(&text);
        prop_assert_eq!((seen.taken, seen.rejected), (expected, vec![]), "{}", text);
    }

    #[test]
    fn a_torn_record_costs_no_neighbour(
        (n, torn) in record(), (_, before) in record(), (_, after) in record(), cut in 1_usize..40,
    ) {
        let torn = torn.get(..cut.min(torn.len() - 1)).unwrap();
        let after: Value = serde_json::from_str(&after).unwrap();
        let seen = seen(&format!("{before}\n{torn}\n{after}"));
        prop_assert_eq!(seen.taken.len(), 2, "{} of {}", torn, n);
        prop_assert_eq!(seen.rejected.len(), 1, "{} of {:?}", torn, seen.rejected);
    }

    #[test]
    fn anything_is_taken_or_rejected(text in "[\\[\\]{}\",:a1 \n\\\\]{0,40}") {
        let _ = seen(&text);
    }
}
