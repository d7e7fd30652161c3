//! Watching without a screen: look, wait, look again, and write a report at the end.
//!
//! The looking is done on the thread that calls, which is none of the runtime's: a hog may
//! hold every worker, and the report comes all the same, and in time. This room knows sources,
//! the model and the reports; it knows no terminal.

mod error;
mod plan;
mod run;
#[cfg(feature = "attach")]
mod targets;

use std::{
    io::{self, Write},
    sync::mpsc::{self, Receiver},
};

use asynctop_lab::{Lab, LabOptions, LabSampler};

#[cfg(feature = "attach")]
use crate::source::{Address, Connections, Source};
use crate::{
    gate::Gate,
    signals::{self, Notice},
    watch::Watchdog,
};
pub use error::HeadlessError;
pub use plan::Plan;
use run::Run;

/// Runs a lab as planned, writes the report to `out`, and returns the gate: whether the run
/// has failed. An interrupt (SIGINT, SIGTERM,
/// SIGHUP, SIGQUIT) ends the run early, with the report; a second one ends the program.
///
/// # Errors
/// If the lab does not start or `out` cannot be written. Nobody reading any more is no
/// error: it ends the run.
pub fn run(options: LabOptions, plan: &Plan, out: &mut impl Write) -> Result<Gate, HeadlessError> {
    let interrupted = interrupts().map_err(HeadlessError::Signals)?;
    let registry = options.registry;
    let lab = Lab::start(options)?;
    let watchdog = Watchdog::start(registry, plan.thresholds.watch());
    let watchdog = watchdog.map_err(HeadlessError::Watchdog)?;
    let source = LabSampler::new(&lab).with_watchdog(watchdog.handle().clone());
    let mut run = Run::new(Some(&lab), plan, vec![Box::new(source)], interrupted);
    run.watchdog = Some(watchdog.handle());
    run.write(out)?;
    Ok(run.gate)
}

/// Watches programs with console-subscriber as planned and writes the report to `out`. The
/// run begins with the first answer, which may take as long as the run.
///
/// # Errors
/// If `out` cannot be written, or a target never answers: there is a report then if another one
/// did, and no error if the gate has been fired anyway.
#[cfg(feature = "attach")]
pub fn attach(
    addresses: &[Address],
    plan: &Plan,
    out: &mut impl Write,
) -> Result<Gate, HeadlessError> {
    let interrupted = interrupts().map_err(HeadlessError::Signals)?;
    let connections = Connections::open(addresses).map_err(HeadlessError::Attach)?;
    let sources = connections.sources.into_iter().map(|source| Box::new(source) as Box<dyn Source>);
    let mut run = Run::new(None, plan, sources.collect(), interrupted);
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
