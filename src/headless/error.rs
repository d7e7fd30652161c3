//! Why there is no report, or none to rely on.

use std::io;

use asynctop_lab::LabError;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum HeadlessError {
    /// The lab could not be started.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The hog or a workload has failed, so the report does not show the requested run.
    #[error("{0}")]
    Failed(String),
    /// The hog did not come on.
    #[error("{0}")]
    Hog(String),
    /// No way to hear of an interrupt.
    #[error("cannot listen for signals: {0}; try again with fewer open files")]
    Signals(#[source] io::Error),
    /// No watchdog to say where a poll is long.
    #[error("cannot start the watchdog: {0}; try again with fewer threads")]
    Watchdog(#[source] io::Error),
    /// No thread for the connections.
    #[error("cannot start to connect: {0}; try again with fewer open files")]
    Attach(#[source] io::Error),
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
