//! A run: look again and again, sum up, and write.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    HeadlessError, Plan,
    plan::{baseline, pause},
};
use crate::{
    cli::Format,
    gate::Gate,
    lab::{Command, Lab},
    model::{Interest, Model, Snapshot},
    report::{Phase, Summary, csv, json, text},
    source::Source,
    watch::WatchHandle,
};

/// A report waits for the names of its last stacks, but no longer than this.
const NAMES: Duration = Duration::from_secs(10);

/// A run on its way.
pub(super) struct Run<'a> {
    lab: Option<&'a Lab>,
    pub(super) watchdog: Option<&'a WatchHandle>,
    pub(super) plan: &'a Plan,
    source: Box<dyn Source>,
    pub(super) model: Model,
    pub(super) gate: Gate,
    summary: Summary,
    pub(super) interrupted: Receiver<()>,
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
    pub(super) fn new(
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
    pub(super) fn write(&mut self, out: &mut impl Write) -> Result<(), HeadlessError> {
        match self.go(out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(HeadlessError::Write(error))
            }
            _ => self.no_hog.take().map_or(Ok(()), |said| Err(HeadlessError::Hog(said))),
        }
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

    pub(super) fn look(&mut self) -> Arc<Snapshot> {
        let begin = Instant::now();
        let snapshot =
            Arc::new(self.source.snapshot(&Interest { groups: true, ..Interest::default() }));
        self.model.advance(Arc::clone(&snapshot));
        self.gate.look(&self.model);
        self.cost = begin.elapsed();
        snapshot
    }
}
