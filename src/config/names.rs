//! Finds the nearest known name, for "did you mean". Pure.

/// Returns the known name nearest to a text, if it is near enough: at most a third of its letters
/// differ, or one letter.
pub(super) fn nearest<'n>(text: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = |name: &&str| {
        let allowed = (name.chars().count() / 3).max(1);
        // Skips the comparison for a text that is far too long.
        name.chars().count().abs_diff(text.chars().count()) <= allowed
            && distance(text, name) <= allowed
    };
    known.filter(near).min_by_key(|name| distance(text, name))
}

/// Returns the number of insertions, deletions, replacements and swaps of neighbours that turn one
/// text into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
    // Row i has the distances from the first i letters of `a` to each prefix of `b`.
    let mut before = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let changed = cell(&row, j) + usize::from(from != to);
            let mut best = changed.min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from) {
                best = best.min(cell(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    cell(&row, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("retain", "retian", 1),
            ("grpc", "grcp", 1),
            ("ab", "ba", 1),
            ("ca", "abc", 3),
            ("inputs", "input", 1),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let known = ["inputs", "outputs", "socket", "gateway", "falco"];
        for (text, expected) in [
            ("input", Some("inputs")),
            ("ouputs", Some("outputs")),
            ("gatway", Some("gateway")),
            ("retain", None),
            ("", None),
            ("a very long key that nobody meant", None),
        ] {
            assert_eq!(nearest(text, known.into_iter()), expected, "{text}");
        }
    }
}
