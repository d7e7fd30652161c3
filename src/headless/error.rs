//! Why there is no report, or none to rely on.

use std::io;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum HeadlessError {
    /// The hog or a workload has failed, so the report does not show the requested run.
    #[error("{0}")]
    Failed(String),
    /// The hog did not come on.
    #[error("{0}")]
    Hog(String),
    /// No way to hear of an interrupt.
    #[error("cannot listen for signals: {0}; try again with fewer open files")]
    Signals(#[source] io::Error),
    /// Nobody answered.
    #[error("{0}; start the target with console-subscriber, or wait longer with --for")]
    NoAnswer(String),
    /// A target was not there to the end, so the gate has not seen all.
    #[error(
        "{0}, so --fail-on has not checked the whole run; keep the target running until the end"
    )]
    Lost(String),
    /// The report could not be written.
    #[error("cannot write the report: {0}; check where stdout is redirected")]
    Write(#[source] io::Error),
}
