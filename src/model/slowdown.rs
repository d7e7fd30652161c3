//! Slowdown of the closed-loop work against a baseline without a hog, in the modes of the baseline.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    snapshot::{LabStats, Target, WorkloadStats},
    text::count,
};

const SECOND_NS: u64 = 1_000_000_000;
/// The rate of work settles within this time after a start, a change of a workload's size or the
/// end of a hog.
const SETTLE_NS: u64 = 250_000_000;
/// A rate over less than this is noise.
const MIN_SPAN_NS: u64 = 250_000_000;
/// Maximum time that the baseline covers.
const BASELINE_NS: u64 = 5 * SECOND_NS;
/// Maximum time that the current rate covers.
const MAX_WINDOW_NS: u64 = 30 * SECOND_NS;

/// Current rate of the closed-loop work against its baseline.
///
/// *Closed-loop* work awaits one result before it requests the next, so its rate falls as soon as
/// anything is slow. The *share* of such a workload is its current rate divided by its baseline
/// rate. The *factor* N is one over the mean of the shares: ×1 is the baseline, ×4 means a quarter
/// of the work, ×∞ none.
///
/// The *current rate* covers the last second, and no time before the hog was turned on or a mode
/// changed. With a hog that yields once per hold time, it covers three hold times if that is
/// longer.
///
/// The *baseline* is the rate over the last five seconds without a hog, except the quarter second
/// after a start, a change of a workload's size or the end of a hog, and not before all instances
/// have started to work. It is frozen while a hog is on, and while a workload's mode is not the one
/// of the baseline. Without a hog, a change of size (also by the cancellation of a task) starts a
/// new baseline in the current modes; while a hog is on, a workload whose size has changed is left
/// out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slowdown {
    /// The factor; `None` without closed-loop work or without a baseline.
    pub factor: Option<Factor>,
    /// The reason if there is no factor; empty without a lab.
    pub no_factor_reason: Arc<str>,
    /// Each closed-loop workload: (name, units per second of the baseline, current units per
    /// second).
    pub shares: Vec<(Arc<str>, f64, f64)>,
    /// The start of a time without any work, in nanoseconds on the target's clock.
    pub standstill_since_ns: Option<u64>,
    /// The time that the baseline covers, in nanoseconds: at most five seconds, 0 without one.
    pub baseline_ns: u64,
    /// The workloads whose mode differs from the baseline, with their mode.
    pub other_modes: Modes,
}

/// Names of workloads and their modes.
pub type Modes = Vec<(Arc<str>, Arc<str>)>;

/// The factor N in "×N slower".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// This many times slower.
    Times(f64),
    /// No work is done.
    Standstill,
}

/// The size of a workload: its count, and the number of its cancelled tasks.
type Size = (usize, u64);

/// Totals of the closed-loop work at one moment.
#[derive(Clone, Debug)]
struct Progress {
    taken_ns: u64,
    /// The time that the process has run since the first snapshot, without stops.
    running_ns: u64,
    /// (workload, size, units).
    work: Vec<(Arc<str>, Size, u64)>,
    /// The mode of each workload that has several.
    modes: Modes,
    /// Whether instances of the closed-loop work have yet to start.
    is_starting: bool,
}

impl Progress {
    fn sizes_differ(&self, other: &Progress) -> bool {
        let sizes = |progress: &Progress| -> Vec<_> {
            progress.work.iter().map(|(name, size, _)| (Arc::clone(name), *size)).collect()
        };
        sizes(self) != sizes(other)
    }

    fn done(&self) -> u64 {
        self.work.iter().map(|(_, _, done)| done).sum()
    }
}

/// Keeps the baseline and the recent totals.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    past: VecDeque<Progress>,
    /// The start of the current time without a hog and without a change of size, in the modes of
    /// the baseline.
    undisturbed_since_ns: Option<u64>,
    hog_since_ns: Option<u64>,
    /// When a mode last changed.
    mode_changed_ns: u64,
    /// (workload, size, units per second).
    baseline: Vec<(Arc<str>, Size, f64)>,
    baseline_modes: Modes,
    baseline_ns: u64,
    last_progress_ns: u64,
    latest: Slowdown,
}

impl Tracker {
    pub(super) fn latest(&self) -> &Slowdown {
        &self.latest
    }

    pub(super) fn advance(&mut self, snapshot: &Target) {
        let Some(lab) = &snapshot.lab else { return };
        let closed = lab.workloads.iter().filter(|workload| workload.unit.is_some());
        let running_ns = self.past.back().map_or(0, |last| {
            last.running_ns + snapshot.running_ns(last.taken_ns, snapshot.taken_ns)
        });
        let now = Progress {
            taken_ns: snapshot.taken_ns,
            running_ns,
            work: closed
                .map(|workload| (Arc::clone(&workload.name), size_of(workload), workload.done))
                .collect(),
            modes: (lab.workloads.iter())
                .filter_map(|workload| Some((Arc::clone(&workload.name), workload.mode.clone()?)))
                .collect(),
            is_starting: starting(lab).is_some(),
        };
        self.note_changes(&now, lab.hog.on_since_ns);
        if self.undisturbed_since_ns.is_some() {
            self.update_baseline(&now);
        }
        let hold_ns = lab.hog.hold_ns.filter(|_| lab.hog.on_since_ns.is_some()).unwrap_or(0);
        let window_ns = hold_ns.saturating_mul(3).clamp(SECOND_NS, MAX_WINDOW_NS);
        self.compare(&now, window_ns);
        self.latest.baseline_ns = self.baseline_ns;
        self.latest.no_factor_reason = match self.latest.factor {
            Some(_) => "".into(),
            None => self.no_factor_reason(lab),
        };
        let is_other = |mode: &&_| !self.baseline_modes.contains(mode);
        self.latest.other_modes = now.modes.iter().filter(is_other).cloned().collect();
        self.past.push_back(now);
        let oldest = snapshot.taken_ns.saturating_sub(MAX_WINDOW_NS);
        while self.past.get(1).is_some_and(|progress| progress.taken_ns <= oldest) {
            self.past.pop_front();
        }
    }

    /// Notes changes of the hog, of sizes and of modes.
    fn note_changes(&mut self, now: &Progress, hog_since_ns: Option<u64>) {
        let last = self.past.back();
        let resized = last.is_some_and(|last| last.sizes_differ(now));
        if last.is_some_and(|last| last.modes != now.modes) {
            self.mode_changed_ns = now.taken_ns;
        }
        self.hog_since_ns = hog_since_ns;
        if hog_since_ns.is_none() && (resized || self.baseline_ns == 0) {
            // A new baseline is in the current modes.
            self.undisturbed_since_ns =
                self.undisturbed_since_ns.filter(|_| self.baseline_modes == now.modes);
            self.baseline_modes.clone_from(&now.modes);
            self.baseline.clear();
            self.baseline_ns = 0;
        }
        if hog_since_ns.is_some() || now.modes != self.baseline_modes {
            self.undisturbed_since_ns = None;
        } else if self.undisturbed_since_ns.is_none()
            || resized
            || now.is_starting && self.baseline_ns == 0
        {
            self.undisturbed_since_ns = Some(now.taken_ns);
        }
        if self.past.back().is_none_or(|last| last.done() < now.done()) {
            self.last_progress_ns = now.taken_ns;
        }
    }

    fn no_factor_reason(&self, lab: &LabStats) -> Arc<str> {
        let has_work = lab.workloads.iter().any(|workload| workload.unit.is_some());
        match starting(lab) {
            _ if !has_work => "no closed-loop workload".into(),
            Some((workload, started)) => {
                let (started, all) = (count(started), count(workload.count as u64));
                format!("{started} of {all} {} have started", workload.name).into()
            }
            None if self.baseline_ns > 0 && self.is_resized(lab) => {
                "the size has changed since the baseline".into()
            }
            None if self.baseline_ns > 0 => "no sample since the last change".into(),
            None if self.hog_since_ns.is_some() => "no baseline without a hog".into(),
            None => "the baseline is being measured".into(),
        }
    }

    /// Whether all workloads have another size than in the baseline.
    fn is_resized(&self, lab: &LabStats) -> bool {
        let has_size = |(name, size, _): &(Arc<str>, Size, f64)| {
            lab.workloads
                .iter()
                .any(|workload| workload.name == *name && size_of(workload) == *size)
        };
        !self.baseline.iter().any(has_size)
    }

    fn update_baseline(&mut self, now: &Progress) {
        let Some(since_ns) = self.undisturbed_since_ns else { return };
        let begin = now.taken_ns.saturating_sub(BASELINE_NS).max(since_ns + SETTLE_NS);
        let first = self.past.iter().find(|progress| progress.taken_ns >= begin);
        let Some(first) = first else { return };
        let span_ns = now.running_ns - first.running_ns;
        if span_ns >= MIN_SPAN_NS {
            self.baseline = rates(first, now)
                .map(|(name, size, _, rate)| (Arc::clone(name), size, rate))
                .collect();
            self.baseline_ns = span_ns;
        }
    }

    fn compare(&mut self, now: &Progress, window_ns: u64) {
        // The window begins after the start of the hog, the last change of a mode and, in the modes of
        // the baseline, the end of the hog.
        let changed_ns = self.hog_since_ns.or(self.undisturbed_since_ns).unwrap_or(0);
        let changed_ns = changed_ns.max(self.mode_changed_ns);
        let begin = now.taken_ns.saturating_sub(window_ns);
        // Snapshots may be further apart than the window.
        let begin = self.past.back().map_or(begin, |last| begin.min(last.taken_ns)).max(changed_ns);
        let first = self.past.iter().find(|progress| progress.taken_ns >= begin);
        let Some(first) = first.filter(|first| now.running_ns - first.running_ns >= MIN_SPAN_NS)
        else {
            return;
        };
        let mut shares = Vec::new();
        for (name, size, done, rate) in rates(first, now) {
            let baseline = self.baseline.iter().find(|(known, ..)| known == name);
            if let Some((_, _, baseline)) =
                baseline.filter(|(_, at, rate)| *at == size && *rate > 0.0)
            {
                shares.push((Arc::clone(name), *baseline, if done == 0 { 0.0 } else { rate }));
            }
        }
        let achieved: f64 = shares.iter().map(|(_, baseline, now)| now / baseline).sum();
        let factor = match shares.len() {
            0 => None,
            _ if achieved <= 0.0 => Some(Factor::Standstill),
            n => Some(Factor::Times(n as f64 / achieved)),
        };
        let standstill = factor == Some(Factor::Standstill);
        self.latest = Slowdown {
            factor,
            shares,
            standstill_since_ns: standstill.then_some(self.last_progress_ns),
            ..Slowdown::default()
        };
    }
}

fn size_of(workload: &WorkloadStats) -> Size {
    (workload.count, workload.cancelled)
}

/// A closed-loop workload of which not all instances have started, and the number of those that
/// have.
fn starting(lab: &LabStats) -> Option<(&WorkloadStats, u64)> {
    let closed = lab.workloads.iter().filter(|workload| workload.unit.is_some());
    closed
        .filter_map(|workload| Some((workload, workload.started?)))
        .find(|(workload, started)| *started < workload.count as u64)
}

/// (workload, size, units, units per second) between two moments.
fn rates<'a>(
    first: &'a Progress,
    last: &'a Progress,
) -> impl Iterator<Item = (&'a Arc<str>, Size, u64, f64)> + 'a {
    let seconds = last.running_ns.saturating_sub(first.running_ns) as f64 / SECOND_NS as f64;
    last.work.iter().filter_map(move |(name, size, done)| {
        let (_, _, before) = first.work.iter().find(|(known, ..)| known == name)?;
        let done = done.saturating_sub(*before);
        (seconds > 0.0).then(|| (name, *size, done, done as f64 / seconds))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::testing::{lab, snapshot},
        snapshot::{MachineStats, Stop},
    };

    const MS: u64 = 1_000_000;

    /// Drives a tracker, by default at 4 Hz; `rate` is the number of units per step.
    struct LabRun {
        tracker: Tracker,
        step: u64,
        now: u64,
        done: u64,
        hog_since: Option<u64>,
        hold: Option<u64>,
        count: usize,
        cancelled: u64,
        started: Option<u64>,
        mode: &'static str,
        stops: Vec<Stop>,
    }

    impl LabRun {
        fn new() -> Self {
            let tracker = Tracker::default();
            let (hog_since, hold) = (None, None);
            let (mode, stops) = ("awaited", Vec::new());
            LabRun {
                tracker,
                step: 250 * MS,
                now: 0,
                done: 0,
                hog_since,
                hold,
                count: 3,
                cancelled: 0,
                started: None,
                mode,
                stops,
            }
        }

        fn steps(&mut self, steps: u64, rate: u64) -> &Slowdown {
            for _ in 0..steps {
                self.now += self.step;
                self.done += rate;
                let mut next = snapshot(self.now, []);
                let mut lab = lab([("tcp", self.count, Some("request"), self.done)]);
                lab.hog.on_since_ns = self.hog_since;
                lab.hog.hold_ns = self.hold;
                lab.workloads[0].mode = Some(self.mode.into());
                lab.workloads[0].cancelled = self.cancelled;
                lab.workloads[0].started = self.started;
                next.lab = Some(lab);
                let stops = self.stops.clone();
                next.machine = Some(MachineStats { stops, ..MachineStats::default() });
                self.tracker.advance(&next);
            }
            self.tracker.latest()
        }

        fn factor(&mut self, steps: u64, rate: u64) -> Option<Factor> {
            self.steps(steps, rate).factor
        }
    }

    fn times(factor: Option<Factor>) -> f64 {
        match factor {
            Some(Factor::Times(n)) => n,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn factor_without_a_hog_is_one() {
        assert!((times(LabRun::new().factor(12, 100)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn snapshots_may_be_further_apart_than_the_window() {
        let mut run = LabRun { step: 2_000 * MS, ..LabRun::new() };
        assert!((times(run.factor(12, 100)) - 1.0).abs() < 1e-9);
        run.hog_since = Some(run.now);
        assert!((times(run.factor(2, 50)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn quarter_of_the_work_is_factor_four() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.hold = Some(5 * MS);
        assert!((times(run.factor(8, 25)) - 4.0).abs() < 1e-9);
        run.hog_since = None;
        assert!((times(run.factor(3, 100)) - 1.0).abs() < 0.01);
    }

    #[test]
    fn rates_exclude_time_in_which_the_process_was_stopped() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        let from_ns = run.now;
        run.now += 10 * SECOND_NS;
        run.stops.push(Stop { from_ns, to_ns: run.now });
        for _ in 0..30 {
            assert!((times(run.factor(1, 100)) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn time_without_work_is_a_standstill_since_the_last_progress() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        let last = run.now;
        run.hog_since = Some(run.now + 1);
        let slowdown = run.steps(8, 0).clone();
        assert_eq!(slowdown.factor, Some(Factor::Standstill));
        assert_eq!(slowdown.standstill_since_ns, Some(last));
    }

    #[test]
    fn baseline_is_frozen_during_a_hog() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        assert!((times(run.factor(100, 50)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn window_covers_three_hold_times_of_the_hog() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.hold = Some(2_000 * MS);
        // Eight steps without work and one with work, repeated: a ninth of the work.
        for _ in 0..6 {
            run.steps(8, 0);
            run.steps(1, 100);
        }
        assert!((6.0..13.0).contains(&times(run.factor(4, 0))));
    }

    #[test]
    fn resized_workload_is_left_out_until_a_new_baseline() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.count = 5;
        assert_eq!(run.factor(8, 200), None);
        run.hog_since = None;
        assert!((times(run.factor(20, 200)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn other_mode_is_compared_with_the_first_one() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.mode = "on-the-worker";
        let slowdown = run.steps(100, 50).clone();
        assert!((times(slowdown.factor) - 2.0).abs() < 1e-9, "{slowdown:?}");
        assert_eq!(slowdown.other_modes, [("tcp".into(), "on-the-worker".into())]);
        // The end of a hog does not make this mode the baseline.
        run.hog_since = Some(run.now);
        run.steps(20, 10);
        run.hog_since = None;
        assert!((times(run.factor(20, 50)) - 2.0).abs() < 1e-9);
        run.mode = "awaited";
        let slowdown = run.steps(20, 100);
        assert!((times(slowdown.factor) - 1.0).abs() < 1e-9, "{slowdown:?}");
        assert_eq!(slowdown.other_modes, []);
    }

    #[test]
    fn factor_is_unknown_until_all_instances_have_started() {
        let mut run = LabRun::new();
        run.started = Some(2);
        run.steps(20, 900);
        let slowdown = run.steps(4, 0);
        assert_eq!(slowdown.factor, None);
        assert_eq!(&*slowdown.no_factor_reason, "2 of 3 tcp have started");
        run.started = Some(3);
        assert_eq!(&*run.steps(1, 100).no_factor_reason, "the baseline is being measured");
        assert!((times(run.factor(20, 100)) - 1.0).abs() < 1e-9);
        // Clients that disconnect later are part of the effect of a hog.
        run.hog_since = Some(run.now);
        run.started = Some(1);
        assert!((times(run.factor(8, 50)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn size_change_starts_a_new_baseline_in_the_current_mode() {
        let mut run = LabRun::new();
        run.steps(20, 100);
        run.mode = "on-the-worker";
        run.steps(20, 50);
        run.count = 5;
        assert_eq!(run.steps(1, 70).baseline_ns, 0);
        let slowdown = run.steps(20, 70).clone();
        assert!((times(slowdown.factor) - 1.0).abs() < 1e-9, "{slowdown:?}");
        assert_eq!(slowdown.other_modes, []);
    }

    #[test]
    fn cancelled_task_changes_the_size() {
        let mut run = LabRun::new();
        run.steps(20, 90);
        run.cancelled = 1;
        assert_eq!(run.steps(1, 60).baseline_ns, 0);
        assert!((times(run.factor(20, 60)) - 1.0).abs() < 1e-9);
        run.hog_since = Some(run.now);
        run.cancelled = 2;
        assert_eq!(run.factor(8, 30), None, "sizes are not comparable beside a hog");
    }

    #[test]
    fn mode_change_before_the_baseline_sets_its_mode() {
        let mut run = LabRun::new();
        run.steps(1, 100);
        run.mode = "on-the-worker";
        let slowdown = run.steps(20, 50);
        assert!((times(slowdown.factor) - 1.0).abs() < 1e-9, "{slowdown:?}");
        assert_eq!((slowdown.baseline_ns, &slowdown.other_modes), (4_750 * MS - 250 * MS, &vec![]));
    }

    #[test]
    fn baseline_without_closed_loop_work_has_no_factor() {
        let mut tracker = Tracker::default();
        for step in 0..12 {
            let mut next = snapshot(step * 250 * MS, []);
            next.lab = Some(lab([]));
            tracker.advance(&next);
        }
        assert_eq!((tracker.latest().factor, tracker.latest().baseline_ns), (None, 2_500 * MS));
        assert_eq!(&*tracker.latest().no_factor_reason, "no closed-loop workload");
    }

    #[test]
    fn slowdown_without_a_lab_is_unknown() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        assert_eq!(*tracker.latest(), Slowdown::default());
    }
}
