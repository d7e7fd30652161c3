//! Errors of reading a file.

use std::io;

use super::MAX_BYTES;

/// The reason why a file is invalid: one sentence that is safe to print for any content of the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The file cannot be read.
    #[error("cannot read the {kind} {file}: {error}; {remedy}")]
    Read {
        /// The kind of document: `scenario` or `configuration`.
        kind: &'static str,
        /// The file.
        file: String,
        /// The advice to the user.
        remedy: &'static str,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The path is a pipe, a device or a directory: reading it may never end.
    #[error("cannot read the {kind} {file}: it is not a regular file; {remedy}")]
    NotAFile {
        /// The kind of document: `scenario` or `configuration`.
        kind: &'static str,
        /// The file.
        file: String,
        /// The advice to the user.
        remedy: &'static str,
    },
    /// The file exceeds the maximum size.
    #[error("{file} is not a {kind}: it is longer than {kib}KiB; is it the right file?", kib = MAX_BYTES / 1024)]
    TooLong {
        /// The file.
        file: String,
        /// The kind of document.
        kind: &'static str,
    },
    /// The file is not UTF-8.
    #[error("{file} is not a {kind}: it is not UTF-8 text; is it the right file?")]
    NotText {
        /// The file.
        file: String,
        /// The kind of document.
        kind: &'static str,
    },
    /// The content is invalid.
    #[error("{file}:{line}: {key}{}{problem}", if key.is_empty() { "" } else { ": " })]
    Content {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The key of the invalid value, such as `workload.count`; empty if there is none.
        key: String,
        /// The problem and the advice to the user.
        problem: String,
    },
}
