//! What somebody meant who wrote something else.

/// The name that is reached with the fewest keystrokes, if they are few.
#[cfg(feature = "dashboard")]
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let counted = known.into_iter().map(|candidate| (keystrokes(name, candidate), candidate));
    let (keystrokes, best) = counted.min()?;
    (keystrokes <= best.chars().count().div_ceil(2)).then_some(best)
}

/// How many characters have to be put in, taken out or changed to get from `a` to `b`.
pub(crate) fn keystrokes(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
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
    }

    #[test]
    #[cfg(feature = "dashboard")]
    fn a_name_that_is_like_none_has_no_nearest() {
        assert_eq!(nearest("fixed", ["hello", "mixed"]), Some("mixed"));
        assert_eq!(nearest("webserver", ["mixed"]), None);
        assert_eq!(nearest("mixed", []), None);
    }
}
