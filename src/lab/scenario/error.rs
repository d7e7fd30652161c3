//! What can be wrong with a scenario's file.

use std::io;

use super::file::MAX_BYTES;

/// Why a scenario's file cannot be used: one sentence that is safe to print, whatever is
/// in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The system does not hand it out.
    #[error(
        "cannot read the scenario {file}: {error}; give the path of a TOML file, or one of \
         the names that `asynctop scenarios` lists"
    )]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Too long to be a scenario.
    #[error("{0} is no scenario: it is longer than {kib} KiB; is it the right file?", kib = MAX_BYTES / 1024)]
    TooLong(String),
    /// Not text.
    #[error("{0} is no scenario: it is not UTF-8 text; is it the right file?")]
    NotText(String),
    /// Something in it is wrong.
    #[error("{file}:{line}: {key}{}{problem}", if key.is_empty() { "" } else { ": " })]
    Content {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key that it is about, such as `workload.count`; empty if about none.
        key: String,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

/// The text without anything that a terminal would obey instead of show.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if obeyed(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Whether terminals obey this character: controls, and what turns the direction of text.
pub(crate) fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
