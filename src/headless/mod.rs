//! Runs without a screen: samples at an interval, and a report at the end.
//!
//! Samples are taken on the calling thread, which no runtime uses: the report is on time even if a
//! hog blocks every worker. This module depends on the sources, the model and the reports, not on
//! the terminal.

mod error;
mod plan;
mod run;
mod targets;

use std::{
    io::{self, Write},
    sync::mpsc::{self, Receiver},
};

use crate::{
    gate::Gate,
    signals::{self, Notice},
    source::Source,
};
pub use error::HeadlessError;
pub use plan::Plan;
use run::Run;

/// Watches the targets of these sources, writes the report to `out`, and returns the gate, which
/// has the findings that fail the run. The run begins when a target has answered; the wait is
/// limited by the duration of the run. An interrupt (SIGINT, SIGTERM, SIGHUP, SIGQUIT) ends the run
/// early, with the report; a second one ends the program.
///
/// # Errors
/// If `out` cannot be written, if the hog or a workload fails, or if no target supports a rule of
/// the gate. Unless the gate has failed, also if a target never answers, or if a run with a gate is
/// interrupted or loses a target; the report is still written if another target has answered. A closed pipe is
/// not an error: it ends the run.
pub fn run(
    sources: Vec<Box<dyn Source>>,
    plan: &Plan,
    out: &mut impl Write,
) -> Result<Gate, HeadlessError> {
    let interrupted = interrupts().map_err(HeadlessError::Signals)?;
    let mut run = Run::new(plan, sources, interrupted);
    if !run.wait_for_first_target() {
        return Err(HeadlessError::NoAnswer(run.unanswered().unwrap_or_default()));
    }
    if let Some(error) = run.unsupported_rule() {
        return Err(error);
    }
    run.write(out)?;
    // A run has not passed if one of its targets never answered.
    if let Some(unanswered) = run.unanswered().filter(|_| run.gate.has_passed()) {
        return Err(HeadlessError::NoAnswer(unanswered));
    }
    let claims_success = run.gate.has_passed() && !plan.fail_on.is_empty();
    if let Some(silent) = run.silent().filter(|_| claims_success) {
        return Err(HeadlessError::NothingReported(silent));
    }
    if claims_success && run.is_cut_short() {
        return Err(HeadlessError::Interrupted);
    }
    let lost = run.disconnected().filter(|_| claims_success);
    lost.map_or(Ok(run.gate), |lost| Err(HeadlessError::Lost(lost)))
}

/// Receives the first signal that requests the end of the program. All other signals have their
/// default action.
fn interrupts() -> io::Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let end = move |notice| notice == Notice::End && sender.send(()).is_ok();
    signals::wait_on_thread(end, || {})?;
    Ok(receiver)
}
