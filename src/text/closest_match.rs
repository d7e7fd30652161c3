//! The name that was probably meant.

/// The candidate with the smallest edit distance, unless more than half of it differs.
#[cfg(feature = "dashboard")]
pub(crate) fn closest_match<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let ranked =
        candidates.into_iter().map(|candidate| (edit_distance(name, candidate), candidate));
    let (distance, best) = ranked.min()?;
    (distance <= best.chars().count().div_ceil(2)).then_some(best)
}

/// The number of insertions, deletions and replacements of characters that turn `a` into `b`.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_characters() {
        for (a, b, expected) in [("", "", 0), ("mixed", "mixed", 0), ("mixd", "mixed", 1)] {
            assert_eq!(edit_distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
    }

    #[test]
    #[cfg(feature = "dashboard")]
    fn a_name_unlike_all_candidates_has_no_closest_match() {
        assert_eq!(closest_match("fixed", ["hello", "mixed"]), Some("mixed"));
        assert_eq!(closest_match("webserver", ["mixed"]), None);
        assert_eq!(closest_match("mixed", []), None);
    }
}
