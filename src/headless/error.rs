//! Errors of a run without a screen.

use std::io;

/// An error of a run without a screen: there is no report, or it does not cover the requested run.
#[derive(Debug, thiserror::Error)]
pub enum HeadlessError {
    /// The hog or a workload has failed, so the report does not show the requested run.
    #[error("{0}")]
    Failed(String),
    /// The hog could not be started.
    #[error("{0}")]
    Hog(String),
    /// The thread that waits for signals could not be started.
    #[error("cannot listen for signals: {0}; try again with fewer threads")]
    Signals(#[source] io::Error),
    /// A target has not answered.
    #[error("{0}")]
    NoAnswer(String),
    /// No target supports a rule of the gate, so it can never fire.
    #[error("{rule} can never fire here: {reason}; leave it out")]
    UnsupportedRule {
        /// The name of the rule.
        rule: &'static str,
        /// The reason why the targets do not support it.
        reason: String,
    },
    /// The threshold of a rule of the gate is below the shortest poll that the targets report.
    #[error(
        "{rule}={threshold} cannot be checked here: polls shorter than {shortest} are not observed; \
         write {rule}={shortest} or more"
    )]
    UnobservedThreshold {
        /// The name of the rule.
        rule: &'static str,
        /// Its threshold.
        threshold: String,
        /// The shortest poll that is reported.
        shortest: String,
    },
    /// A target is connected and has reported nothing, so the gate has checked nothing.
    #[error("{0}, so --fail-on has checked nothing")]
    NothingReported(String),
    /// An interrupt has ended the run early, so the gate has not checked the whole run.
    #[error("the run was interrupted, so --fail-on has not checked the whole time of --for")]
    Interrupted,
    /// The connection to a target was lost, so the gate has not checked the whole run.
    #[error(
        "{0}, so --fail-on has not checked the whole run; keep the target running until the end"
    )]
    Lost(String),
    /// The report could not be written.
    #[error("cannot write the report: {0}; check where stdout is redirected")]
    Write(#[source] io::Error),
}
