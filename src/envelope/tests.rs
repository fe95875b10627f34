use proptest::prelude::*;

use super::*;
use crate::event::MAX_RECORD;

fn now() -> ZonedDateTime {
    "2026-01-30T12:00:00[UTC]".parse().unwrap()
}

/// Returns the rule of each alert in these lines, or the reason why a line is rejected.
fn read(envelopes: &mut Envelopes, lines: &[Vec<u8>]) -> Vec<Result<String, Reject>> {
    let read = |line: &Vec<u8>| {
        envelopes.read(line, &now, |record, _| record.event.rule.into_owned()).transpose()
    };
    lines.iter().filter_map(read).collect()
}

fn alert(rule: &str, padding: &str) -> String {
    format!(
        r#"{{"output":"{padding}","priority":"Error","rule":"{rule}","time":"2026-01-30T10:00:00Z"}}"#
    )
}

fn cri(stream: &str, tag: &str, text: &[u8]) -> Vec<u8> {
    [format!("2026-01-30T10:00:00Z {stream} {tag} ").as_bytes(), text].concat()
}

/// Cuts a line into CRI parts. The last one is marked `F`.
fn parts(stream: &str, line: &str, cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (line.len() + 1)).collect();
    cuts.extend([0, line.len()]);
    cuts.sort_unstable();
    let last = cuts.len() - 2;
    let part = |(number, ends): (usize, &[usize])| {
        let tag = if number == last { "F" } else { "P" };
        cri(stream, tag, &line.as_bytes()[ends[0]..ends[1]])
    };
    cuts.windows(2).enumerate().map(part).collect()
}

#[test]
fn a_line_of_parts_is_bounded_and_dropped_once() {
    let mut envelopes = Envelopes::default();
    let part = vec![b'x'; MAX_RECORD / 4 + 1];
    let mut lines = vec![cri("stdout", "P", &part); 9];
    let held: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!(read(&mut envelopes, std::slice::from_ref(line)), []);
            envelopes.held()
        })
        .collect();
    assert!(held.iter().all(|held| *held <= 2 * MAX_RECORD) && held[8] == 0, "{held:?}");
    // The other stream loses nothing, and the next line is read.
    lines = vec![
        cri("stderr", "F", alert("b", "").as_bytes()),
        cri("stdout", "F", b"x"),
        cri("stdout", "F", alert("a", "").as_bytes()),
    ];
    assert_eq!(
        read(&mut envelopes, &lines),
        [Ok("b".into()), Err(Reject::TooLarge), Ok("a".into())]
    );
    assert_eq!((envelopes.held(), envelopes.given_up()), (0, 0));
}

#[test]
fn incomplete_lines_are_counted() {
    let mut envelopes = Envelopes::default();
    let docker = format!(
        r#"{{"log":"{}","stream":"stdout","time":"2026-01-30T10:00:00Z"}}"#,
        "x".repeat(16 << 10)
    );
    // A part of another kind, a whole alert and the end of the source each drop a held line.
    read(&mut envelopes, &[cri("stdout", "P", b"{"), docker.into_bytes()]);
    assert_eq!(envelopes.given_up(), 1);
    read(
        &mut envelopes,
        &[cri("stderr", "P", b"{"), cri("stderr", "F", alert("a", "").as_bytes())],
    );
    assert_eq!(envelopes.given_up(), 1);
    envelopes.end();
    assert_eq!((envelopes.given_up(), envelopes.held()), (1, 0));
    assert_eq!(envelopes.given_up(), 0);
}

#[test]
fn a_text_alert_has_the_date_of_its_envelope() {
    let mut envelopes = Envelopes::default();
    let line = b"2019-02-03T23:59:59Z stdout F 00:00:01.408091526: Warning x y";
    let time = envelopes.read(line, &now, |record, _| record.event.time.to_string());
    assert_eq!(time, Ok(Some("2019-02-04T00:00:01.408091526Z".into())));
}

#[test]
fn several_lines_have_no_header() {
    let mut envelopes = Envelopes::default();
    let two = [cri("stdout", "P", b"x"), cri("stdout", "F", b"y")].join(&b'\n');
    assert_eq!(envelopes.open(&two, &now, &mut |_, _| ()), Opened::Unknown);
    assert_eq!(envelopes.held(), 0);
    let pretty = format!("{{\n \"specversion\": \"1.0\",\n \"data\": {}\n}}", alert("a", ""));
    assert_eq!(read(&mut envelopes, &[pretty.into_bytes()]), [Ok("a".into())]);
}

#[test]
fn hints_name_the_format_of_a_line() {
    for (line, word) in [
        ("2026-01-30T10:00:00Z stderr F Falco version: 0.43.1", "CRI"),
        (r#"{"log":"x\n","stream":"stderr","time":"2026-01-30T10:00:00Z"}"#, "docker"),
        ("[pod/falco-1/falco] Events detected: 8", "kubectl"),
        (r#"{"MESSAGE":"x","_HOSTNAME":"a"}"#, "journalctl"),
        (r#"{"MESSAGE":null,"_HOSTNAME":"a"}"#, "--all"),
        ("<14>Jan 30 10:00:00 a sshd[1]: x", "syslog"),
        (r#"{"specversion":"1.0","data":{}}"#, "CloudEvent"),
        (r#"{"message":"x","@timestamp":"2026-01-30T10:00:00Z","host":{"name":"a"}}"#, "shipper"),
    ] {
        assert!(likely(line.as_bytes()).is_some_and(|hint| hint.contains(word)), "{line}");
    }
    for line in [
        "Fri Jan 30 10:00:00 2026: Falco version: 0.43.1 (x86_64)",
        "2023-04-13T05:53:32+0000: Starting gRPC server at unix:///run/falco/falco.sock",
        "Events detected: 8",
        r#"{"message":"x","level":"info"}"#,
        r#"{"output_fields":{},"sample":1}"#,
        "{",
        "",
    ] {
        assert_eq!(likely(line.as_bytes()), None, "{line}");
    }
}

#[test]
fn an_alert_without_a_time_gets_that_of_its_envelope() {
    let alert = r#"{"rule":"x","priority":"Error"}"#;
    let wrapped = serde_json::json!({ "log": alert, "date": 1_769_767_200.5 }).to_string();
    for (line, time, source) in [
        (format!("2026-01-30T10:00:00Z stdout F {alert}"), "10:00:00.000000000", "envelope"),
        (wrapped, "10:00:00.500000000", "envelope"),
        // Its keys merged with the shipper's, or its time as a number.
        (
            alert.replace('}', r#","@timestamp":"2026-01-30T10:00:01Z"}"#),
            "10:00:01.000000000",
            "envelope",
        ),
        (alert.replace('}', r#","time":1769767202}"#), "10:00:02.000000000", "envelope"),
        (alert.to_owned(), "12:00:00.000000000", "arrival"),
        (alert.replace('}', r#","time":"2026-01-30T10:00:03Z"}"#), "10:00:03", "event"),
    ] {
        let read = Envelopes::default().read(line.as_bytes(), &now, |record, _| {
            (record.event.time.to_string(), record.time_source.name(), record.line.into_owned())
        });
        let (seen, name, json) = read.unwrap().unwrap();
        assert!(seen.starts_with(&format!("2026-01-30T{time}")), "{line}: {seen}");
        assert_eq!(name, source, "{line}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["time"].as_str().unwrap().contains(time), "{json}");
        let mark = (source != "event").then_some(source);
        assert_eq!(json.get("time_source").and_then(|mark| mark.as_str()), mark, "{json}");
    }
}

proptest! {
    #[test]
    fn any_parts_of_both_streams_give_both_lines(
        padding in r"([a-zäß€😀 ]|\\n|\\u00e9){0,60}",
        cuts in prop::array::uniform2(prop::collection::vec(any::<prop::sample::Index>(), 0..6)),
        order in prop::collection::vec(any::<bool>(), 0..16),
    ) {
        let lines = [alert("out", &padding), alert("err", &padding)];
        let cut = |number: usize| cuts[number].iter().map(|cut| cut.index(lines[number].len() + 1)).collect::<Vec<_>>();
        let mut out = parts("stdout", &lines[0], &cut(0)).into_iter();
        let mut err = parts("stderr", &lines[1], &cut(1)).into_iter();
        let mut mixed: Vec<_> = order.iter().filter_map(|first| if *first { out.next() } else { err.next() }).collect();
        mixed.extend(out.chain(err));
        let mut envelopes = Envelopes::default();
        let mut rules: Vec<_> = read(&mut envelopes, &mixed).into_iter().map(Result::unwrap).collect();
        rules.sort();
        prop_assert_eq!(rules, ["err", "out"]);
        prop_assert_eq!((envelopes.held(), envelopes.given_up()), (0, 0));
    }

    #[test]
    fn any_bytes_are_opened_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::envelope(&bytes);
    }

    #[test]
    fn any_alert_comes_out_of_any_layers(
        script in prop::array::uniform5(any::<u8>()),
        padding in r"([a-zäß€😀 ]|\\n|\\u00e9|\\ud800){0,20}",
    ) {
        crate::fuzzing::envelope(&[&script[..], alert("a", &padding).as_bytes()].concat());
    }

    #[test]
    fn anything_like_a_header_is_opened_or_rejected(
        line in r#"(<14>)?(1 |Jan 30 10:00:00 |2026-01-30T10:00:00Z |[0-9]{10}\.1 )?([a-z]{1,3}|stdout|-)( P| F|:| - - - - )?(\[[a-z="\\\]]{0,6}\] ?)?(\{"(log|MESSAGE|rule)":("x"|null|[1-3]|\{\}|\[1,2\])\})?"#,
    ) {
        crate::fuzzing::envelope(line.as_bytes());
        let _ = likely(line.as_bytes());
    }
}
