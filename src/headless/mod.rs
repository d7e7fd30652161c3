//! Watching without a screen: samples at an interval, and a report at the end.
//!
//! Samples are taken on the calling thread, which no runtime uses: the report is in time even if a
//! hog blocks every worker. This folder depends on the sources, the model and the reports, not on the
//! terminal.

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

/// Watches the targets of these sources as planned, writes the report to `out`, and returns the
/// gate: whether the run has failed. The run begins when a target has answered, which may take as
/// long as the run. An interrupt (SIGINT, SIGTERM, SIGHUP, SIGQUIT) ends the run early, with the
/// report; a second one ends the program.
///
/// # Errors
/// If `out` cannot be written, or a target never answers: there is a report then if another one
/// did, and no error if the gate has been fired anyway. A reader that closes the pipe is not an
/// error: it ends the run.
pub fn run(
    sources: Vec<Box<dyn Source>>,
    plan: &Plan,
    out: &mut impl Write,
) -> Result<Gate, HeadlessError> {
    let interrupted = interrupts().map_err(HeadlessError::Signals)?;
    let mut run = Run::new(plan, sources, interrupted);
    if !run.wait_for_a_target() {
        return Err(HeadlessError::NoAnswer(run.silence().unwrap_or_default()));
    }
    run.write(out)?;
    // A gate that a target never came to has not passed.
    if let Some(silence) = run.silence().filter(|_| run.gate.is_open()) {
        return Err(HeadlessError::NoAnswer(silence));
    }
    let gone = run.gone().filter(|_| run.gate.is_open() && !plan.fail_on.is_empty());
    gone.map_or(Ok(run.gate), |gone| Err(HeadlessError::Lost(gone)))
}

/// Receives the first signal that asks the program to end. All other signals have their default
/// action.
fn interrupts() -> io::Result<Receiver<()>> {
    let (sender, receiver) = mpsc::channel();
    let end = move |notice| notice == Notice::End && sender.send(()).is_ok();
    signals::wait_on_thread(end, || {})?;
    Ok(receiver)
}
