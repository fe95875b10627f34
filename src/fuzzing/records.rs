//! Records, however their lines are laid out.

use serde_json::value::RawValue;

use super::script::Script;
use crate::event::Reject;
use crate::ingest::records::{Records, Sink};
use crate::ingest::{Line, Lines};

/// Finds the records of `bytes`, and of a text that they are a script of.
///
/// # Panics
/// When another division into chunks gives other records, when the work is more than linear, or
/// when a text that is JSON gives other records than a reader of one value at a time.
pub fn records(bytes: &[u8]) {
    found(bytes);
    let (mut script, mut text) = (Script(bytes), String::new());
    while !script.0.is_empty() {
        value(&mut script, 0, &mut text);
        text += ["", "\n", " ", "\n\n", "\r\n"][usize::from(script.byte() % 5)];
        // Now and then a mistake: something is missing, or too much.
        match script.byte() {
            0 => text.truncate(text.len() / 2),
            1 => text += "text\n",
            2 => text += "{",
            3 => text += "]\n",
            _ => {}
        }
    }
    found(text.as_bytes());
}

/// Writes an object, or an array of objects and arrays.
fn value(script: &mut Script<'_>, depth: usize, text: &mut String) {
    let space = ["", "\n", " ", "\n  "][usize::from(script.byte() % 4)];
    let kind = script.byte();
    if kind.is_multiple_of(3) && depth < 3 {
        *text += "[";
        for element in 0..script.byte() % 4 {
            *text += if element == 0 { space } else { "," };
            value(script, depth + 1, text);
            *text += space;
        }
        *text += "]";
    } else {
        let inside = ["1", "\"}]{[,\\\"\"", "[1,{\"b\":[]}]", "{\"b\":null}", "-1.5e3"];
        let inside = inside[usize::from(script.byte() % 5)];
        let key = if kind % 4 == 1 { "m" } else { "n" };
        *text += &format!("{{{space}\"a\":{inside},{space}\"{key}\":{space}{kind}{space}}}");
    }
}

fn found(text: &[u8]) {
    let whole = read([text]);
    for size in [1, 7] {
        assert_eq!(read(text.chunks(size)).taken, whole.taken, "in chunks of {size}");
    }
    assert!(whole.work <= 4 * text.len(), "{} bytes read of {}", whole.work, text.len());
    let Some(expected) = reference(text) else { return };
    let taken: Vec<_> = whole.taken.iter().map(|record| record.trim_ascii()).collect();
    assert_eq!(taken, expected.iter().map(|record| record.as_bytes()).collect::<Vec<_>>());
}

/// Takes every JSON object with the key `n`.
#[derive(Default)]
struct Taker {
    taken: Vec<Vec<u8>>,
    work: usize,
}

impl Sink for Taker {
    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        self.work += record.len();
        if !is_taken(record) {
            return Err(Reject::NotAnAlert);
        }
        self.taken.push(record.to_vec());
        Ok(())
    }

    fn reject(&mut self, _: &Reject, _: &[u8]) {}
}

fn is_taken(record: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Numbered {
        #[serde(rename = "n")]
        _n: serde::de::IgnoredAny,
    }
    record.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<Numbered>(record).is_ok()
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Taker {
    let (mut lines, mut records, mut taker) =
        (Lines::default(), Records::default(), Taker::default());
    let mut each = |line: Line<'_>| {
        if let Line::Whole(line) = line {
            records.line(line, &mut taker);
        }
    };
    for chunk in chunks {
        lines.push(chunk, &mut each);
    }
    lines.end(each);
    records.end(&mut taker);
    taker
}

/// Reads a text of JSON values one at a time. `None` if it is not JSON, has values that are no
/// records, or objects within a record that could be taken for one.
fn reference(text: &[u8]) -> Option<Vec<String>> {
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>() {
        flatten(value.ok()?.get(), &mut records)?;
    }
    records.retain(|record| is_taken(record.as_bytes()));
    let keys = text.windows(3).filter(|window| window == b"\"n\"").count();
    (keys == records.len()).then_some(records)
}

fn flatten(value: &str, records: &mut Vec<String>) -> Option<()> {
    if value.starts_with('{') {
        records.push(value.to_owned());
        return Some(());
    }
    let elements: Vec<&RawValue> = serde_json::from_str(value).ok()?;
    elements.iter().try_for_each(|element| flatten(element.get(), records))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_reference_reads_one_value_at_a_time() {
        let read = |text: &str| reference(text.as_bytes());
        assert_eq!(
            read("[{\"n\":1}, [{\"n\":2}]]{\"b\":{}}"),
            Some(vec!["{\"n\":1}".into(), "{\"n\":2}".into()])
        );
        assert_eq!(read("{\"n\":1} 1"), None);
        assert_eq!(read("{\"n\":{\"n\":1}}"), None);
    }

    proptest! {
        #[test]
        fn any_layout_gives_the_records_of_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            records(&bytes);
        }
    }
}
