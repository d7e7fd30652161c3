//! The functions and lines at which polls block, so that those of a finding or of a row of the impact
//! table stand still.
//!
//! A poll is sampled a few times, so the most frequent line differs from poll to poll, and of a program
//! that calls helpers also the function. The screens name those that most of the evidence names.

use crate::snapshot::LongPoll;

/// Maximum number of lines that are counted.
const MAX_LINES: usize = 32;

/// How often each line was the most frequent one of a poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Lines(Vec<LineCount>);

#[derive(Clone, Debug, PartialEq)]
struct LineCount {
    function: String,
    line: String,
    polls: u64,
}

impl Lines {
    /// Counts the line of another piece of evidence.
    pub(super) fn add(&mut self, evidence: &LongPoll) {
        let Some((function, line)) = evidence.function().zip(evidence.blocked_at()) else { return };
        let known = self.0.iter().position(|it| it.function == function && it.line == line);
        match known {
            Some(at) => self.0[at].polls += 1,
            None if self.0.len() < MAX_LINES => {
                self.0.push(LineCount { function: function.into(), line: line.into(), polls: 1 });
            }
            None => {}
        }
    }

    /// The number of polls that blocked in a function.
    pub(super) fn polls_in(&self, function: Option<&str>) -> u64 {
        let of = self.0.iter().filter(|it| Some(&*it.function) == function);
        of.map(|it| it.polls).sum()
    }

    /// The most frequent line of a function or, without one, of all; of several, the one that was first.
    pub(super) fn most_frequent(&self, function: Option<&str>) -> Option<&str> {
        let is_of = |it: &&LineCount| function.is_none_or(|function| it.function == function);
        let of = self.0.iter().rev().filter(is_of);
        of.max_by_key(|it| it.polls).map(|it| &*it.line)
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
            shown.push(lines.most_frequent(Some("db::scan")).expect("a line").to_owned());
        }
        assert_eq!(shown, [69, 69, 69, 69, 67].map(|line| format!("src/db.rs:{line}")));
        lines.add(&at("db::get", 91));
        assert_eq!(lines.most_frequent(Some("db::get")), Some("src/db.rs:91"));
        assert_eq!(lines.most_frequent(None), Some("src/db.rs:67"), "a poll without a stack");
        lines.add(&LongPoll::computing(1, 0, 1_000_000_000));
        assert_eq!(
            [Some("db::scan"), Some("db::get"), None].map(|it| lines.polls_in(it)),
            [5, 1, 0]
        );
    }
}
