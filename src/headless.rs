//! Watching without a screen: look, wait, look again, and write a report at the end.
//!
//! The looking is done on the thread that calls, which is none of the runtime's: a hog may
//! hold every worker, and the report comes all the same, and in time.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::emulate_default_handler,
};

use crate::{
    cli::Format,
    gate::{FailOn, Gate},
    lab::{Command, Lab, LabError, LabOptions},
    model::{Interest, Model, Snapshot, Thresholds},
    report::{Phase, Summary, csv, json, text},
    source::{LiveSource, Source},
    watch::{WatchHandle, Watchdog},
};

#[cfg(feature = "attach")]
use crate::{
    model::{Link, TargetFigures},
    source::{Address, AttachSource},
};

/// A baseline needs this long: work has to find its pace first.
const LEAST_BASELINE: Duration = Duration::from_millis(900);
/// The time without the hog where the run has no end to take a third of.
const ENDLESS_BASELINE: Duration = Duration::from_secs(3);
/// A report waits for the names of its last stacks, but no longer than this.
const NAMES: Duration = Duration::from_secs(10);

/// How a run goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long it takes; `None` is until a signal.
    pub run_time: Option<Duration>,
    /// Whether the hog comes on by itself, after a first third without it.
    pub hog: bool,
    /// The time between documents, where there are several.
    pub interval: Duration,
    /// What is written.
    pub format: Format,
    /// A text report shall have no signs beyond ASCII of its own.
    pub ascii: bool,
    /// From where on rules speak.
    pub thresholds: Thresholds,
    /// What makes the run fail.
    pub fail_on: Vec<FailOn>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum HeadlessError {
    /// The lab could not be started.
    #[error(transparent)]
    Lab(#[from] LabError),
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
    #[error("{0}: a gate that has not seen all has not passed; keep the target up until the end")]
    Lost(String),
    /// The report could not be written.
    #[error("cannot write the report: {0}; check where stdout leads")]
    Write(#[source] io::Error),
}

/// Runs a lab as planned, writes the report to `out`, and returns the gate: whether the run
/// has failed. An interrupt (SIGINT, SIGTERM,
/// SIGHUP) ends the run early, with the report; a second one ends the program.
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
    let source = LiveSource::of_lab(&lab).with_watchdog(watchdog.handle().clone());
    let mut run = Run::new(Some(&lab), plan, Box::new(source), interrupted);
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
    let source = AttachSource::start(addresses).map_err(HeadlessError::Attach)?;
    let mut run = Run::new(None, plan, Box::new(source), interrupted);
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

/// Hears of signals. The first of them is passed on, the next one does what it always does.
fn interrupts() -> io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().name("asynctop-signals".to_owned()).spawn(move || {
        for (nth, signal) in signals.forever().enumerate() {
            if nth > 0 {
                let _ = emulate_default_handler(signal);
            }
            let _ = sender.send(());
        }
    })?;
    Ok(receiver)
}

/// A run on its way.
struct Run<'a> {
    lab: Option<&'a Lab>,
    watchdog: Option<&'a WatchHandle>,
    plan: &'a Plan,
    source: Box<dyn Source>,
    model: Model,
    gate: Gate,
    summary: Summary,
    interrupted: Receiver<()>,
    next_document: Instant,
    /// Why the hog did not come on, if it should have and did not.
    no_hog: Option<String>,
    /// How long the last look took.
    cost: Duration,
}

/// Why a part of a run is over.
#[derive(PartialEq)]
enum End {
    Time,
    Interrupt,
}

impl<'a> Run<'a> {
    fn new(
        lab: Option<&'a Lab>,
        plan: &'a Plan,
        source: Box<dyn Source>,
        interrupted: Receiver<()>,
    ) -> Self {
        Run {
            lab,
            watchdog: None,
            plan,
            source,
            model: Model::with_thresholds(plan.thresholds.clone()),
            gate: Gate::new(plan.fail_on.clone()),
            summary: Summary::default(),
            interrupted,
            next_document: Instant::now() + plan.interval,
            no_hog: None,
            cost: Duration::ZERO,
        }
    }

    /// Watches as planned and writes what is to be written.
    fn write(&mut self, out: &mut impl Write) -> Result<(), HeadlessError> {
        match self.go(out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(HeadlessError::Write(error))
            }
            _ => self.no_hog.take().map_or(Ok(()), |said| Err(HeadlessError::Hog(said))),
        }
    }

    /// Waits until a target has sent something; says whether one has.
    #[cfg(feature = "attach")]
    fn wait_for_a_target(&mut self) -> bool {
        let begin = Instant::now();
        let patience = self.plan.run_time.unwrap_or(ENDLESS_BASELINE);
        loop {
            if self.look().targets.iter().any(|target| target.process > 0) {
                return true;
            }
            let over = begin.elapsed() >= patience;
            if over || self.interrupted.recv_timeout(Duration::from_millis(50)).is_ok() {
                return false;
            }
        }
    }

    /// What there is to say of targets that have said nothing.
    #[cfg(feature = "attach")]
    fn silence(&self) -> Option<String> {
        let snapshot = self.model.snapshot()?;
        let of = |target: &TargetFigures| match &target.link {
            Link::Lost { reason, .. } => format!("{}: {reason}", target.name),
            _ => format!("{}: no answer yet", target.name),
        };
        let silent = snapshot.targets.iter().filter(|target| target.process == 0);
        let silent: Vec<_> = silent.map(of).collect();
        (!silent.is_empty()).then(|| format!("cannot watch {}", silent.join(", ")))
    }

    /// What there is to say of targets that are not heard of any more.
    #[cfg(feature = "attach")]
    fn gone(&self) -> Option<String> {
        let snapshot = self.model.snapshot()?;
        let gone = snapshot.targets.iter().filter(|target| !target.link.is_live());
        let of = |target: &TargetFigures| {
            format!("{} is {}", target.name, target.status(snapshot.taken_ns))
        };
        let gone: Vec<_> = gone.map(of).collect();
        (!gone.is_empty()).then(|| gone.join(", "))
    }

    fn go(&mut self, out: &mut impl Write) -> io::Result<()> {
        let begin = Instant::now();
        let until = self.plan.run_time.map(|run_time| begin + run_time);
        if self.plan.hog {
            let end = self.phase("without-hog", Some(begin + baseline(self.plan.run_time)), out)?;
            if end == End::Time {
                let said = self.lab.map(|lab| lab.execute(Command::ToggleHog));
                if self.look().lab.as_ref().is_some_and(|lab| lab.hog.on_since_ns.is_none()) {
                    self.no_hog = said;
                    return Ok(());
                }
                self.phase("with-hog", until, out)?;
            }
        } else {
            self.phase("run", until, out)?;
        }
        if let Some(watchdog) = self.watchdog {
            watchdog.settle(NAMES);
            self.look();
        }
        match self.plan.format {
            Format::Text if self.plan.ascii => {
                let mut report = Vec::new();
                text::write(&self.model, &self.summary, &mut report)?;
                out.write_all(text::in_ascii(&String::from_utf8_lossy(&report)).as_bytes())?;
            }
            Format::Text => text::write(&self.model, &self.summary, out)?,
            Format::Json => json::write(&self.model, &self.summary, out)?,
            Format::Jsonl => json::write_line(&self.model, &self.summary, out)?,
            Format::Csv => csv::write(&self.model, out)?,
        }
        out.flush()
    }

    /// Looks again and again until a moment or an interrupt, and sums up.
    fn phase(
        &mut self,
        name: &'static str,
        until: Option<Instant>,
        out: &mut impl Write,
    ) -> io::Result<End> {
        let first = self.look();
        let mut next = Instant::now();
        let end = loop {
            // Half of the time at most goes into looking, however many tasks there are.
            let pause = pause(self.plan).max(2 * self.cost);
            next = (next + pause).max(Instant::now() + self.cost);
            let wake = until.map_or(next, |until| until.min(next));
            match self.interrupted.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(()) => break End::Interrupt,
                Err(RecvTimeoutError::Disconnected) => thread::sleep(self.plan.interval),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                break End::Time;
            }
            self.look();
            self.document(out)?;
        };
        self.look();
        self.summary.phases.extend(Phase::between(name, &first, &self.model));
        Ok(end)
    }

    /// Writes the document that is due, if one is.
    fn document(&mut self, out: &mut impl Write) -> io::Result<()> {
        let now = Instant::now();
        if self.plan.format != Format::Jsonl || now < self.next_document {
            return Ok(());
        }
        self.next_document = now.max(self.next_document + self.plan.interval);
        json::write_line(&self.model, &self.summary, out)?;
        out.flush()
    }

    fn look(&mut self) -> Arc<Snapshot> {
        let begin = Instant::now();
        let snapshot =
            Arc::new(self.source.snapshot(&Interest { groups: true, ..Interest::default() }));
        self.model.advance(Arc::clone(&snapshot));
        self.gate.look(&self.model);
        self.cost = begin.elapsed();
        snapshot
    }
}

/// How long the hog stays off: a third, more if a third is not enough, half at most.
fn baseline(run_time: Option<Duration>) -> Duration {
    run_time.map_or(ENDLESS_BASELINE, |all| (all / 3).max(LEAST_BASELINE).min(all / 2))
}

/// The time between looks: the interval, unless a short run would then be known by little
/// more than its ends.
fn pause(plan: &Plan) -> Duration {
    let run_time = if plan.hog { Some(3 * baseline(plan.run_time)) } else { plan.run_time };
    run_time.map_or(plan.interval, |all| plan.interval.min(all / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hog_stays_off_for_a_third_if_that_is_enough() {
        let of = |millis| baseline(Some(Duration::from_millis(millis))).as_millis();
        assert_eq!([of(30_000), of(3_000), of(2_000), of(1_000)], [10_000, 1_000, 900, 500]);
        assert_eq!(baseline(None), ENDLESS_BASELINE);
    }

    #[test]
    fn a_short_run_is_looked_at_often_enough() {
        let of = |millis: Option<u64>, hog| {
            let run_time = millis.map(Duration::from_millis);
            let interval = Duration::from_secs(10);
            let plan = Plan {
                run_time,
                hog,
                interval,
                format: Format::Text,
                ascii: false,
                thresholds: Thresholds::default(),
                fail_on: Vec::new(),
            };
            pause(&plan).as_millis()
        };
        assert_eq!([of(Some(1_000), false), of(Some(1_000), true)], [100, 150]);
        assert_eq!([of(None, false), of(None, true)], [10_000, 900]);
        assert_eq!(of(Some(600_000), false), 10_000);
    }
}
