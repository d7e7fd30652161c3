//! What somebody meant who wrote something else.

/// The name with the smallest edit distance, if that is at most a third of the length of the longer
/// name, or 1.
#[cfg(feature = "dashboard")]
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let counted = known.into_iter().map(|candidate| (keystrokes(name, candidate), candidate));
    let (keystrokes, best) = counted.min()?;
    let length = best.chars().count().max(name.chars().count());
    (keystrokes <= (length / 3).max(1)).then_some(best)
}

/// The edit distance: how many characters have to be inserted, deleted or replaced, or swapped with
/// their neighbor, to get from `a` to `b`.
pub(crate) fn keystrokes(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && (a[i - 2], a[i - 1]) == (b[j - 1], b[j - 2]) {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_keystrokes() {
        for (a, b, expected) in [("", "", 0), ("mixed", "mixed", 0), ("mixd", "mixed", 1)] {
            assert_eq!(keystrokes(a, b), expected, "{a} {b}");
        }
        assert_eq!(keystrokes("kitten", "sitting"), 3);
        assert_eq!(keystrokes("", "abc"), 3);
        assert_eq!(keystrokes("abc", ""), 3);
        assert_eq!(keystrokes("spni", "spin"), 1);
    }

    #[test]
    #[cfg(feature = "dashboard")]
    fn a_name_that_is_like_none_has_no_nearest() {
        assert_eq!(nearest("fixed", ["hello", "mixed"]), Some("mixed"));
        assert_eq!(nearest("webserver", ["mixed"]), None);
        assert_eq!(nearest("nope", ["leak", "pool", "lifo"]), None);
        assert_eq!(nearest("heartbaet", ["heartbeat"]), Some("heartbeat"));
        assert_eq!(nearest("mixed", []), None);
    }
}
