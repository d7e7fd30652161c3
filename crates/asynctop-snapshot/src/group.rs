//! Groups of tasks, by name.

/// The group of a task: its name without the number at the end.
///
/// ```
/// use asynctop_snapshot::group_name;
/// assert_eq!(group_name("heartbeat-12"), "heartbeat");
/// assert_eq!(group_name("conn#7"), "conn");
/// assert_eq!(group_name("42"), "42");
/// ```
pub fn group_name(name: &str) -> &str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let stem = stem.trim_end_matches(['-', '_', '#', '.', ' ', ':', '/']);
    if stem.is_empty() { name } else { stem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_name_keeps_names_that_are_only_a_number() {
        assert_eq!(group_name("7"), "7");
        assert_eq!(group_name(""), "");
        assert_eq!(group_name("worker_3"), "worker");
        assert_eq!(group_name("h2"), "h");
    }
}
