//! A run: takes samples, divides them into phases, and writes the report.

use std::{
    collections::HashMap,
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
    plan::{baseline, sampling_interval},
};
use crate::{
    gate::Gate,
    model::Model,
    report::{Format, Phase, Summary, csv, json, text},
    snapshot::{Command, LabCommand, LabStats, Outcome, Snapshot, Subscription, TargetId},
    source::{Source, last_samples, sample_all},
};

/// Maximum time for which the report waits for the symbols of the last stacks. The first symbols of
/// a large program take about a second; the report states which ones are missing.
const SYMBOLS_TIMEOUT: Duration = Duration::from_secs(2);

/// The reports contain the distributions of groups.
const SUBSCRIPTION: Subscription = Subscription { task: None, groups: true, timeline: false };

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) plan: &'a Plan,
    sources: Vec<Box<dyn Source>>,
    pub(super) model: Model,
    pub(super) gate: Gate,
    summary: Summary,
    pub(super) interrupted: Receiver<()>,
    next_document: Instant,
    /// The first snapshot of the current phase: the rates of the report cover the time since.
    phase_start: Option<Arc<Snapshot>>,
    /// The snapshot of the last document, or the first one of the phase.
    last_document: Option<Arc<Snapshot>>,
    /// The reason why the hog could not be started.
    hog_failure: Option<String>,
    /// The first failure of the hog or a workload.
    failure: Option<String>,
    /// Whether an interrupt has ended the run. It may have ended other processes of the lab, too,
    /// so later failures are not recorded.
    is_interrupted: bool,
    /// Duration of the last sample.
    sample_time: Duration,
    /// The first epoch of each target.
    pub(super) first_epochs: HashMap<TargetId, u32>,
}

/// The reason for the end of a phase; it is complete if all targets have ended or the lab has failed,
/// too.
#[derive(PartialEq)]
enum End {
    Complete,
    Interrupt,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        sources: Vec<Box<dyn Source>>,
        interrupted: Receiver<()>,
    ) -> Self {
        Run {
            plan,
            sources,
            model: Model::with_thresholds(plan.thresholds.clone()),
            gate: Gate::new(plan.fail_on.clone()),
            summary: Summary::default(),
            interrupted,
            next_document: Instant::now() + plan.interval,
            phase_start: None,
            last_document: None,
            hog_failure: None,
            failure: None,
            is_interrupted: false,
            sample_time: Duration::ZERO,
            first_epochs: HashMap::new(),
        }
    }

    /// Whether an interrupt has ended a run of limited duration.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_interrupted && self.plan.run_time.is_some()
    }

    /// Executes the plan and writes its documents.
    pub(super) fn write(&mut self, out: &mut impl Write) -> Result<(), HeadlessError> {
        match self.execute(out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(HeadlessError::Write(error))
            }
            _ => match (self.hog_failure.take(), self.failure.take()) {
                (Some(reason), _) => Err(HeadlessError::Hog(reason)),
                (None, Some(failure)) => Err(HeadlessError::Failed(failure)),
                (None, None) => Ok(()),
            },
        }
    }

    fn execute(&mut self, out: &mut impl Write) -> io::Result<()> {
        let begin = Instant::now();
        let until = self.plan.run_time.map(|run_time| begin + run_time);
        if self.plan.hog {
            let end = self.phase("without-hog", Some(begin + baseline(self.plan.run_time)), out)?;
            if end == End::Complete {
                let failure = self.start_hog();
                if failure.is_some() && self.failure.is_none() {
                    self.hog_failure = failure;
                    return Ok(());
                }
                self.phase("with-hog", until, out)?;
            }
        } else {
            self.phase("run", until, out)?;
        }
        if let Some(last) = last_samples(&mut self.sources, &SUBSCRIPTION, SYMBOLS_TIMEOUT) {
            self.process(&last);
        }
        let model = self.model_since(self.phase_start.as_ref());
        match self.plan.format {
            Format::Text => text::write(&model, &self.summary, self.plan.ascii, out)?,
            Format::Json => json::write(&model, &self.summary, out)?,
            Format::Jsonl => json::write_line(&model, &self.summary, out)?,
            Format::Csv => csv::write(&model, out)?,
        }
        out.flush()
    }

    /// Takes samples until a time or an interrupt, and adds the phase to the summary.
    fn phase(
        &mut self,
        name: &'static str,
        until: Option<Instant>,
        out: &mut impl Write,
    ) -> io::Result<End> {
        let first = self.sample();
        self.phase_start = Some(Arc::clone(&first));
        self.last_document = Some(Arc::clone(&first));
        let mut next = Instant::now();
        let end = loop {
            // Sampling takes at most half of the time, with any number of tasks.
            let interval = sampling_interval(self.plan).max(2 * self.sample_time);
            next = (next + interval).max(Instant::now() + self.sample_time);
            let wake = until.map_or(next, |until| until.min(next));
            match self.interrupted.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(()) => break End::Interrupt,
                Err(RecvTimeoutError::Disconnected) => thread::sleep(self.plan.interval),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                break End::Complete;
            }
            self.sample();
            self.document(out)?;
            if self.failure.is_some() || self.have_all_ended() {
                break End::Complete;
            }
        };
        self.is_interrupted |= end == End::Interrupt;
        self.sample();
        self.summary.phases.extend(Phase::between(name, &first, &self.model));
        Ok(end)
    }

    /// Writes a JSON line if one is due.
    fn document(&mut self, out: &mut impl Write) -> io::Result<()> {
        let now = Instant::now();
        if self.plan.format != Format::Jsonl || now < self.next_document {
            return Ok(());
        }
        self.next_document = now.max(self.next_document + self.plan.interval);
        let model = self.model_since(self.last_document.as_ref());
        json::write_line(&model, &self.summary, out)?;
        self.last_document = Some(Arc::new(self.model.snapshot()));
        out.flush()
    }

    /// The model, with rates that cover the time since `first`.
    fn model_since(&self, first: Option<&Arc<Snapshot>>) -> Model {
        first.map_or_else(|| self.model.clone(), |first| self.model.with_rates_since(first))
    }

    /// Starts the hog of the lab. Returns the reason if that fails.
    fn start_hog(&mut self) -> Option<String> {
        const REQUEST: u64 = 0;
        let controls = self.sources.iter().filter_map(|source| source.control());
        controls.for_each(|lab| lab.send(REQUEST, Command::Lab(LabCommand::ToggleHog)));
        let snapshot = self.sample();
        let target = snapshot.targets.iter().find(|target| target.lab.is_some())?;
        let is_on = target.lab.as_ref().is_some_and(|lab| lab.hog.on_since_ns.is_some());
        let answer = target.answers.iter().find(|answer| answer.request == REQUEST);
        match answer.map(|answer| &answer.outcome) {
            Some(Outcome::Message(message)) if !is_on => Some(message.to_string()),
            _ => None,
        }
    }

    /// Takes a snapshot and checks the gate.
    pub(super) fn sample(&mut self) -> Arc<Snapshot> {
        let begin = Instant::now();
        let snapshot = sample_all(&mut self.sources, &SUBSCRIPTION);
        let snapshot = self.process(&snapshot);
        self.sample_time = begin.elapsed();
        snapshot
    }

    fn process(&mut self, snapshot: &Snapshot) -> Arc<Snapshot> {
        self.model.advance(snapshot);
        self.gate.check(&self.model);
        // The model excludes the time in which the process was stopped.
        let snapshot = Arc::new(self.model.snapshot());
        for target in snapshot.targets.iter().filter(|target| target.epoch > 0) {
            self.first_epochs.entry(target.id).or_insert(target.epoch);
        }
        if self.failure.is_none() && !self.is_interrupted {
            let mut labs = snapshot.targets.iter().filter_map(|target| target.lab.as_ref());
            self.failure = labs.find_map(LabStats::failure);
        }
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use serde_json::Value;

    use super::*;
    use crate::{
        model::{
            Thresholds,
            testing::{snapshot, task},
        },
        snapshot::{Connection, Target},
    };

    const MS: u64 = 1_000_000;

    /// A task with 1,000 polls per second and a worker that is 10 % busy. Every other snapshot
    /// follows the previous one after only a millisecond.
    #[derive(Default)]
    struct SteadySource {
        snapshots: u64,
    }

    impl Source for SteadySource {
        fn sample(&mut self, _: &Subscription) -> Target {
            let taken_ns = (1_000 + self.snapshots / 2 + self.snapshots.div_ceil(2) * 250) * MS;
            self.snapshots += 1;
            let mut beat = task(1, "heartbeat-1");
            (beat.polls, beat.lifetime_ns) = (taken_ns / MS, taken_ns);
            let mut now = snapshot(taken_ns, [beat]);
            now.workers[0].poll_ns = taken_ns / 10;
            now
        }
    }

    fn plan(run_time: Duration, format: Format) -> Plan {
        Plan {
            run_time: Some(run_time),
            hog: false,
            is_command: false,
            interval: Duration::from_millis(1),
            format,
            ascii: false,
            thresholds: Thresholds::default(),
            fail_on: Vec::new(),
        }
    }

    fn documents(format: Format) -> Vec<Value> {
        let plan = plan(Duration::from_millis(30), format);
        let (_not_interrupted, interrupted) = mpsc::channel();
        let mut run = Run::new(&plan, vec![Box::new(SteadySource::default())], interrupted);
        let mut out = Vec::new();
        run.write(&mut out).expect("a Vec takes everything");
        let documents = serde_json::Deserializer::from_slice(&out).into_iter();
        documents
            .map(|document: Result<Value, _>| document.expect("JSON")["targets"][0].take())
            .collect()
    }

    #[test]
    fn interrupt_cuts_a_run_of_limited_duration_short() {
        for (run_time, expected) in [(Some(Duration::from_secs(3600)), true), (None, false)] {
            let plan = Plan { run_time, ..plan(Duration::ZERO, Format::Text) };
            let (interrupt, interrupted) = mpsc::channel();
            interrupt.send(()).expect("it is received");
            let mut run = Run::new(&plan, vec![Box::new(SteadySource::default())], interrupted);
            run.write(&mut Vec::new()).expect("a Vec takes everything");
            assert_eq!(run.is_cut_short(), expected, "{run_time:?}");
        }
    }

    /// A program over a connection, restarted before the second sample.
    #[derive(Default)]
    struct RestartedSource(u32);

    impl Source for RestartedSource {
        fn sample(&mut self, _: &Subscription) -> Target {
            self.0 = (self.0 + 1).min(2);
            let mut now = snapshot(u64::from(self.0) * 1_000 * MS, [task(1, "t")]);
            (now.epoch, now.connection) = (self.0, Connection::Connected);
            now
        }
    }

    #[test]
    fn gate_has_not_observed_a_restarted_target_the_whole_time() {
        let plan = plan(Duration::from_millis(5), Format::Text);
        let (_not_interrupted, interrupted) = mpsc::channel();
        let mut run = Run::new(&plan, vec![Box::new(RestartedSource::default())], interrupted);
        run.write(&mut Vec::new()).expect("a Vec takes everything");
        assert!(run.disconnected().is_some_and(|text| text.ends_with(" was restarted")));
    }

    fn assert_rates(document: &Value) {
        let polls = document["tasks"][0]["polls_per_second"].as_f64().expect("a rate");
        let busy = document["workers"][0]["busy_share"].as_f64().expect("a share");
        assert!((polls - 1_000.0).abs() < 1e-6, "{document:#}");
        assert!((busy - 0.1).abs() < 1e-6, "{document:#}");
    }

    #[test]
    fn rates_of_the_final_report_cover_the_whole_phase() {
        let [report] = &documents(Format::Json)[..] else { panic!("one document") };
        assert_rates(report);
        let phase = &report["phases"][0];
        assert_eq!(report["rates_span_ns"], phase["duration_ns"], "{report:#}");
    }

    #[test]
    fn rates_of_each_line_cover_the_time_since_the_previous_line() {
        let documents = documents(Format::Jsonl);
        documents.iter().for_each(assert_rates);
        let number = |document: &Value, name: &str| document[name].as_u64().unwrap_or_default();
        let last = documents.last().expect("a report");
        let mut since = number(&last["phases"][0], "begin_ns");
        for document in &documents {
            let (now, span) = (number(document, "taken_ns"), number(document, "rates_span_ns"));
            let whole = document == last && span == number(&last["phases"][0], "duration_ns");
            // A line less than 50 ms after the previous one has rates that begin earlier.
            assert!(whole || span == now - since || now - since < 50 * MS, "{document:#}");
            since = now;
        }
    }
}
