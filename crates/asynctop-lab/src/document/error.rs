//! Errors of reading a file.

use std::io;

use super::MAX_BYTES;

/// Why a file cannot be used: one sentence that is safe to print, whatever is in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The system does not hand it out.
    #[error("cannot read the {what} {file}: {error}; {remedy}")]
    Read {
        /// What it should be: `scenario`, `configuration`.
        what: &'static str,
        /// The file.
        file: String,
        /// What to do.
        remedy: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// A pipe, a device or a directory: reading it may never end.
    #[error("cannot read the {what} {file}: it is not a regular file; {remedy}")]
    NotAFile {
        /// What it should be: `scenario`, `configuration`.
        what: &'static str,
        /// The file.
        file: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Too long to be what it should be.
    #[error("{file} is not a {what}: it is longer than {kib}KiB; is it the right file?", kib = MAX_BYTES / 1024)]
    TooLong {
        /// The file.
        file: String,
        /// What it should be.
        what: &'static str,
    },
    /// Not text.
    #[error("{file} is not a {what}: it is not UTF-8 text; is it the right file?")]
    NotText {
        /// The file.
        file: String,
        /// What it should be.
        what: &'static str,
    },
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
