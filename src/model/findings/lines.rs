//! The line at which a finding's polls block, which stands still.
//!
//! A poll is sampled a few times, so the most frequent line differs from poll to poll. The line of a
//! finding is the one that most of its evidence names, as long as the function stays the same.

use crate::snapshot::LongPoll;

/// Maximum number of lines that are counted.
const MAX_LINES: usize = 16;

/// How often each line of one function was the most frequent one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lines {
    function: Option<String>,
    counts: Vec<(String, u64)>,
}

impl Lines {
    /// Counts the line of another piece of evidence.
    pub(super) fn add(&mut self, evidence: &LongPoll) {
        let Some(line) = evidence.blocked_at() else { return };
        if self.function.as_deref() != evidence.function() {
            *self = Lines { function: evidence.function().map(str::to_owned), counts: Vec::new() };
        }
        let known = self.counts.iter().position(|(known, _)| known == line);
        match known {
            Some(at) => self.counts[at].1 += 1,
            None if self.counts.len() < MAX_LINES => self.counts.push((line.to_owned(), 1)),
            None => {}
        }
    }

    /// The most frequent line; of several, the one that was first.
    pub(super) fn most_frequent(&self) -> Option<&str> {
        let lines = self.counts.iter().rev();
        lines.max_by_key(|(_, count)| *count).map(|(line, _)| &**line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::ProfileEntry;

    fn at(function: &str, line: u32) -> LongPoll {
        let entry = ProfileEntry {
            function: function.into(),
            location: Some(format!("src/db.rs:{line}")),
            callee: None,
            share: 1.0,
            libraries: Vec::new(),
        };
        LongPoll { profile: vec![entry], ..LongPoll::computing(1, 0, 1_000_000_000) }
    }

    #[test]
    fn line_changes_only_when_another_one_is_more_frequent() {
        let mut lines = Lines::default();
        let mut shown = Vec::new();
        for line in [69, 67, 69, 67, 67] {
            lines.add(&at("db::scan", line));
            shown.push(lines.most_frequent().expect("a line").to_owned());
        }
        assert_eq!(shown, [69, 69, 69, 69, 67].map(|line| format!("src/db.rs:{line}")));
        lines.add(&at("db::get", 91));
        assert_eq!(lines.most_frequent(), Some("src/db.rs:91"), "another function");
        lines.add(&LongPoll::computing(1, 0, 1_000_000_000));
        assert_eq!(lines.most_frequent(), Some("src/db.rs:91"), "no stack yet");
    }
}
