//! Suggestions for misspelled names.

/// The candidate with the smallest edit distance to `name`, if that is at most a third of the length
/// of the longer one, or 1.
pub fn closest_match<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let ranked =
        candidates.into_iter().map(|candidate| (edit_distance(name, candidate), candidate));
    let (distance, best) = ranked.min()?;
    let length = best.chars().count().max(name.chars().count());
    (distance <= (length / 3).max(1)).then_some(best)
}

/// ` (did you mean `name`?)`, to append to the given name; empty without a match.
pub fn did_you_mean(closest_match: Option<&str>) -> String {
    closest_match.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// The edit distance: the number of characters to insert, delete, replace or swap with their
/// neighbor to get from `a` to `b`.
pub fn edit_distance(a: &str, b: &str) -> usize {
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
    fn edit_distance_counts_edits() {
        for (a, b, expected) in [("", "", 0), ("mixed", "mixed", 0), ("mixd", "mixed", 1)] {
            assert_eq!(edit_distance(a, b), expected, "{a} {b}");
        }
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", ""), 3);
        assert_eq!(edit_distance("spni", "spin"), 1);
    }

    #[test]
    fn closest_match_ignores_names_that_differ_too_much() {
        assert_eq!(closest_match("fixed", ["hello", "mixed"]), Some("mixed"));
        assert_eq!(closest_match("webserver", ["mixed"]), None);
        assert_eq!(closest_match("nope", ["leak", "pool", "lifo"]), None);
        assert_eq!(closest_match("heartbaet", ["heartbeat"]), Some("heartbeat"));
        assert_eq!(closest_match("mixed", []), None);
    }
}
