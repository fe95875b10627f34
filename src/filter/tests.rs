//! Tests of errors with their columns, limits, printing, and properties of every filter.

use proptest::prelude::*;

use super::*;
use crate::event;
use crate::fuzzing::filter_text;

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> SyntaxError {
    Filter::parse(text).expect_err(text)
}

#[test]
fn errors_have_column_expected_found_and_suggestion() {
    for (text, expected) in [
        ("", "column 1: expected a field, a word, `not` or `(`, found the end"),
        ("  ", "column 3: expected a field, a word, `not` or `(`, found the end"),
        (
            "proc.name contian cat",
            "column 11: expected an operator, `and`, `or` or the end, found \"contian\"; \
             did you mean `contains`",
        ),
        (
            "(shell adn cat)",
            "column 8: expected an operator, `and`, `or` or `)`, found \"adn\"; did you mean `and`",
        ),
        (
            "prioritty >= warning",
            "column 1: expected a field (quote the name of an output field), found \"prioritty\"; \
             did you mean `priority`",
        ),
        (
            "été and RULE = x",
            "column 9: expected a field (quote the name of an output field), found \"RULE\"; did \
             you mean `rule`",
        ),
        (
            "priority >= wraning",
            "column 13: expected a priority (emergency, alert, critical, error, warning, notice, \
             informational, debug), found \"wraning\"; did you mean `warning`",
        ),
        (
            "priority contains warn",
            "column 10: expected an operator for priorities: = != < <= > >= in intersects exists, \
             found \"contains\"",
        ),
        (
            "time > yesterday",
            "column 8: expected a time such as 2026-01-30T10:00:00Z or 2026-01-30, found \
             \"yesterday\"",
        ),
        ("a =", "column 4: expected a value, found the end"),
        ("a = = b", "column 5: expected a value, found \"=\""),
        ("a = (b)", "column 5: expected a value, found \"(\""),
        ("a = and b", "column 5: expected a value (quote it if it is this word), found \"and\""),
        ("a in b", "column 6: expected `(` and values, as in `in (a, b)`, found \"b\""),
        ("a in (b c)", "column 9: expected `,` or `)`, found \"c\""),
        ("a in (b,)", "column 9: expected a value, found \")\""),
        ("a = b c = d", "column 7: expected `and`, `or` or the end, found \"c\""),
        ("(a = b", "column 7: expected `and`, `or` or `)`, found the end"),
        ("a = b)", "column 6: expected `and`, `or` or the end, found \")\""),
        ("a = it's", "column 7: expected `and`, `or` or the end, found \"'\""),
        ("a or", "column 5: expected a field, a word, `not` or `(`, found the end"),
        ("and a", "column 1: expected a field, a word, `not` or `(`, found \"and\""),
        ("not", "column 4: expected a field, a word, `not` or `(`, found the end"),
        ("a = 'b", "column 7: expected the closing ', found the end"),
        (
            "a = 'b\u{7}'",
            "column 7: expected no control character in quotes (write `\\n`, `\\t` or `\\x1b`), found \
             \"\\u{7}\"",
        ),
        ("a regex '('", "column 9: expected a pattern (unclosed group), found \"(\""),
        ("a regex 'a)(b'", "column 9: expected a pattern (unopened group), found \"a)(b\""),
        (
            "a pmatch (/x, '/[z-a]')",
            "column 15: expected a pattern (invalid character class range, the start must be <= \
             the end), found \"/[z-a]\"",
        ),
        (
            "a bcontains 0fg",
            "column 13: expected bytes in hexadecimal, two digits each, found \"0fg\"",
        ),
        (
            "a bcontains ''",
            "column 13: expected bytes in hexadecimal, two digits each, found empty quotes",
        ),
    ] {
        assert_eq!(error(text).to_string(), expected, "{text}");
    }
}

#[test]
fn found_text_is_shortened_and_escaped() {
    let text = format!("a \u{202e}{}", "é".repeat(100));
    let error = error(&text);
    assert_eq!((error.column, error.found.chars().count()), (3, 40 + 7 + 3));
    assert!(error.found.starts_with("\"\\u{202e}é"), "{error}");
}

#[test]
fn every_limit_is_enforced() {
    let with = |count: usize, text: &str| text.repeat(count);
    let list = |count: usize| format!("a in ({}a)", with(count - 1, "a,"));
    for (most, one_more) in [
        (with(MAX_TEXT, "a"), with(MAX_TEXT + 1, "a")),
        (with(MAX_DEPTH, "not ") + "a", with(MAX_DEPTH + 1, "not ") + "a"),
        (
            with(MAX_DEPTH, "(") + "a" + &with(MAX_DEPTH, ")"),
            with(MAX_DEPTH + 1, "(") + "a" + &with(MAX_DEPTH + 1, ")"),
        ),
        (with(MAX_COMPARISONS - 1, "a or ") + "a", with(MAX_COMPARISONS, "a or ") + "a"),
        (list(MAX_VALUES), list(MAX_VALUES + 1)),
        (
            with(MAX_REGEXES - 1, "a regex a or ") + "a regex a",
            with(MAX_REGEXES, "a regex a or ") + "a regex a",
        ),
        (
            format!("a pmatch ({})", with(MAX_WILDCARDS, "/*/x")),
            format!("a pmatch (/*) or a pmatch ({}, /x)", with(MAX_WILDCARDS, "/*")),
        ),
        // The longer text exceeds the limit only when it is printed with spaces.
        (
            format!("a in ({}a)", with(1022, "aa,")),
            format!("a in ({}{})", with(1022, "aa,"), with(1000, "a")),
        ),
    ] {
        filter_text(&most);
        filter(&most);
        assert!(error(&one_more).expected.starts_with("at most"), "{}", error(&one_more));
    }
    for text in
        [with(4096, "("), with(1024, "not "), with(2048, "(a"), with(2048, "a "), with(999, "a=b")]
    {
        filter_text(&text);
        error(&text);
    }
    assert!(error(r"a regex '\w{1000}\w{1000}'").expected.contains("when compiled"));
    assert_eq!(error(&with(5000, "é")).column, 2049);
}

#[test]
fn filters_print_with_only_the_quotes_and_parentheses_they_need() {
    for (text, printed) in [
        ("( ( A ) )", "A"),
        ("a==b", "a = b"),
        ("a='b' AND 'a.b'=\"c\"", "a = b and a.b = c"),
        ("(a and b) and c", "(a and b) and c"),
        ("(a or b) and (c and d)", "(a or b) and (c and d)"),
        ("(a and b) or (c or d)", "a and b or (c or d)"),
        ("not (a) and not(not (b or c))", "not a and not not (b or c)"),
        ("a in ( 'b' ,c,'d e' )", "a in (b, c, \"d e\")"),
        ("a in()", "a in ()"),
        ("a EXISTS", "a exists"),
        ("output icontains Shell", "Shell"),
        (r#"a = 'x"\y\'z'"#, r#"a = "x\"\\y'z""#),
        ("'and' or \"\" or 'a b'", "\"and\" or \"\" or \"a b\""),
        ("'rule' = x and 'tag' = y and tags = z", "\"rule\" = x and \"tag\" = y and tags = z"),
        ("a = <NA> and 'b<' = 1 and c=!", "a = <NA> and \"b<\" = 1 and c = !"),
        ("a! = b!", "a! = b!"),
        ("a = 'not'", "a = \"not\""),
    ] {
        assert_eq!(filter(text).to_string(), printed, "{text}");
        filter_text(text);
    }
}

#[test]
fn parts_are_the_terms_of_and_at_the_top_level() {
    for (text, expected) in [
        ("a ", &["a"][..]),
        (" a and (b or c ) and not d = 'e' ", &["a", "(b or c )", "not d = 'e'"]),
        ("(a and b)", &["a", "b"]),
        ("a and b or c", &["a and b or c"]),
        ("é and é in (a, b)", &["é", "é in (a, b)"]),
    ] {
        let parts = filter(text).parts();
        assert_eq!(parts.into_iter().map(|part| &text[part]).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_last_of_two_fields_with_one_name_counts() {
    let line = r#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output_fields":{"a":1,"a":2}}"#;
    let matches = |text| {
        let matches = |record: event::Record<'_>| filter(text).matches(&record.event);
        event::read(line.as_bytes(), || unreachable!(), matches).unwrap()
    };
    assert!(matches("a = 2") && !matches("a = 1"));
}

/// A field or a value.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c](\\.[a-c])?",
        "-?[0-9]{1,3}(\\.5)?",
        "/[a-c*]/[a-c?]",
        "\"([^\"\\\\\\x00-\\x1f\\x7f-\\x9f]|\\\\[\"\\\\a]){0,4}\"",
        "'[a-c \\[\\]]{0,3}'",
        "'(\\\\n|\\\\t|\\\\x[0-7][0-9a-f]|a){0,3}'",
        "b\\[[a/=,<>()!]{1,3}\\]",
    ]
}

fn comparison() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec![
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "contains",
        "icontains",
        "startswith",
        "endswith",
        "glob",
        "iglob",
    ]);
    let list = prop::sample::select(vec!["in", "intersects", "pmatch", "IN"]);
    let own = prop::sample::select(vec!["rule", "source", "hostname", "output", "tags"]);
    let priority = prop::sample::select(vec!["=", "!=", "<", ">="]);
    let modifier = prop::sample::select(vec!["anyof", "allof", "oneof", "AnyOf"]);
    let function = prop::sample::select(vec!["tolower", "toupper", "b64", "basename", "len"]);
    prop_oneof![
        (word(), operator.clone(), modifier, prop::collection::vec(word(), 0..4))
            .prop_map(|(a, b, c, d)| format!("{a} {b} {c} ({})", d.join(","))),
        (function.clone(), function, word(), operator.clone(), word())
            .prop_map(|(a, b, c, d, e)| format!("{a}({b}( {c})) {d} {e}")),
        (word(), operator.clone(), word()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (own, operator, word()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (word(), list, prop::collection::vec(word(), 0..4))
            .prop_map(|(a, b, c)| format!("{a} {b} ({})", c.join(","))),
        priority.prop_map(|operator| format!("priority {operator} Error")),
        word().prop_map(|a| format!("{a} exists")),
        word(),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("not {a}")),
        ]
    })
}

/// Returns which of the example lines match.
fn matching(filter: &Filter) -> Vec<bool> {
    include_str!("../../tests/data/falco-example-lines.jsonl")
        .lines()
        .chain(crate::fuzzing::FILTERED)
        .map(|line| {
            let matches = |record: event::Record<'_>| filter.matches(&record.event);
            event::read(line.as_bytes(), || unreachable!(), matches).unwrap()
        })
        .collect()
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_rejected(
        text in "\\PC{0,40}",
        like in "[a-c.<>=!()'\"\\\\, \t]{0,30}",
        words in prop::collection::vec(
            prop_oneof![word(), "(and|or|not|in|exists|regex|=|\\(|\\)|,)"], 0..12
        ),
    ) {
        filter_text(&text);
        filter_text(&like);
        filter_text(&words.join(" "));
    }

    #[test]
    fn any_printed_filter_parses_to_itself(text in expression()) {
        if Filter::parse(&text).is_ok() {
            filter_text(&text);
        }
    }

    #[test]
    fn modifiers_combine_single_comparisons(
        field in word(),
        operator in prop::sample::select(vec!["=", "!=", "<", "contains", "startswith", "glob"]),
        values in prop::collection::vec(word(), 0..4),
    ) {
        let of = |modifier: &str| {
            let text = format!("{field} {operator} {modifier} ({})", values.join(", "));
            Filter::parse(&text).map(|filter| matching(&filter))
        };
        let one = |value: &String| {
            Filter::parse(&format!("{field} {operator} {value}")).map(|filter| matching(&filter))
        };
        let Ok(each) = values.iter().map(one).collect::<Result<Vec<_>, _>>() else { return Ok(()) };
        let Ok(any) = of("anyof") else { return Ok(()) };
        let count = |line: usize| each.iter().filter(|matches| matches[line]).count();
        let lines = 0..any.len();
        let expected = |f: &dyn Fn(usize) -> bool| lines.clone().map(|l| f(count(l))).collect();
        let (all, single) = (of("allof").unwrap(), of("oneof").unwrap());
        let expected: [Vec<bool>; 3] = [
            expected(&|count| count > 0),
            expected(&|count| count > 0 && count == values.len()),
            expected(&|count| count == 1),
        ];
        prop_assert_eq!([any, all, single], expected);
    }

    #[test]
    fn terms_obey_logic(a in expression(), b in expression()) {
        let (Ok(left), Ok(right)) = (Filter::parse(&a), Filter::parse(&b)) else { return Ok(()) };
        let (left, right) = (matching(&left), matching(&right));
        let both = |f: fn(bool, bool) -> bool| -> Vec<bool> {
            left.iter().zip(&right).map(|(a, b)| f(*a, *b)).collect()
        };
        prop_assert_eq!(&matching(&filter(&format!("not not ({a})"))), &left);
        prop_assert_eq!(matching(&filter(&format!("not ({a})"))), both(|a, _| !a));
        prop_assert_eq!(matching(&filter(&format!("({a}) and ({b})"))), both(|a, b| a && b));
        prop_assert_eq!(matching(&filter(&format!("({b}) and ({a})"))), both(|a, b| a && b));
        prop_assert_eq!(matching(&filter(&format!("({a}) or ({b})"))), both(|a, b| a || b));
    }
}
