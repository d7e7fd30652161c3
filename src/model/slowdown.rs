//! How much slower the work is than in the baseline: without a hog, in the first modes.

use std::{collections::VecDeque, sync::Arc};

use crate::snapshot::Target;

const SECOND_NS: u64 = 1_000_000_000;
/// After a start, a change of a workload's size or the end of a hog, work needs a moment
/// to find its pace.
const SETTLE_NS: u64 = 250_000_000;
/// A rate over less than this is noise.
const MIN_SPAN_NS: u64 = 250_000_000;
/// A baseline looks back this far.
const BASELINE_NS: u64 = 5 * SECOND_NS;
/// The longest window for the rate of now.
const MAX_WINDOW_NS: u64 = 30 * SECOND_NS;

/// How much less the closed-loop work achieves now than in its own baseline.
///
/// *Closed-loop* work waits for one result before it asks for the next, so its rate falls
/// as soon as anything is slow. For each such workload, its *share* is its rate now
/// divided by its baseline rate. The *factor* N is one over the mean of the shares: ×1
/// is as before, ×4 means that a quarter gets done, ×∞ that nothing does.
///
/// *Now* is the last second, and never begins before the hog was turned on or a mode changed; with
/// a hog that yields once per hold time, it is three of its rounds if that is longer.
///
/// The *baseline* is the rate over the last five seconds without a hog, not counting the
/// quarter second after a start, a change of a workload's size or the end of a hog. It is
/// frozen while a hog is on, and while a workload's mode is not the one of the baseline. A
/// change of a size (the cancellation of a task is one, too) without a hog starts a new baseline, in the modes of that time; beside a
/// hog, a workload whose size has changed is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slowdown {
    /// The factor; `None` without closed-loop work or before there is a baseline.
    pub factor: Option<Factor>,
    /// Each closed-loop workload: (name, units a second before, units a second now).
    pub shares: Vec<(Arc<str>, f64, f64)>,
    /// Since when nothing at all gets done, in ns on the source's clock.
    pub standstill_since_ns: Option<u64>,
    /// The time that the baseline covers, in ns; at most five seconds, 0 if there is none.
    pub baseline_ns: u64,
    /// The workloads whose mode differs from the baseline, with their mode.
    pub other_modes: Modes,
}

/// Names of workloads and their modes.
pub type Modes = Vec<(Arc<str>, Arc<str>)>;

/// The N of "×N slower".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Factor {
    /// This many times slower.
    Times(f64),
    /// Nothing gets done at all.
    Standstill,
}

/// The size of a workload: its count, and how many of its tasks were cancelled.
type Size = (usize, u64);

/// The closed-loop work done up to a moment: (workload, size, units).
#[derive(Clone, Debug)]
struct Progress {
    taken_ns: u64,
    /// The time that the process has run since the first snapshot, without stops.
    running_ns: u64,
    work: Vec<(Arc<str>, Size, u64)>,
    /// Of all workloads that have several.
    modes: Modes,
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

/// Follows the closed-loop work.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracker {
    past: VecDeque<Progress>,
    /// Start of the current time without a hog and without a change of a workload's size, in the
    /// modes of the baseline.
    calm_since_ns: Option<u64>,
    hog_since_ns: Option<u64>,
    /// When a mode changed last.
    switched_ns: u64,
    /// (workload, size, units per second).
    baseline: Vec<(Arc<str>, Size, f64)>,
    baseline_modes: Modes,
    baseline_ns: u64,
    last_progress_ns: u64,
    figure: Slowdown,
}

impl Tracker {
    pub(super) fn figure(&self) -> &Slowdown {
        &self.figure
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
                .map(|workload| {
                    let size = (workload.count, workload.cancelled);
                    (Arc::clone(&workload.name), size, workload.done)
                })
                .collect(),
            modes: (lab.workloads.iter())
                .filter_map(|workload| Some((Arc::clone(&workload.name), workload.mode.clone()?)))
                .collect(),
        };
        self.follow(&now, lab.hog.on_since_ns);
        if self.calm_since_ns.is_some() {
            self.learn(&now);
        }
        let hold_ns = lab.hog.hold_ns.filter(|_| lab.hog.on_since_ns.is_some()).unwrap_or(0);
        let window_ns = hold_ns.saturating_mul(3).clamp(SECOND_NS, MAX_WINDOW_NS);
        self.judge(&now, window_ns);
        self.figure.baseline_ns = self.baseline_ns;
        let is_other = |mode: &&_| !self.baseline_modes.contains(mode);
        self.figure.other_modes = now.modes.iter().filter(is_other).cloned().collect();
        self.past.push_back(now);
        let oldest = snapshot.taken_ns.saturating_sub(MAX_WINDOW_NS);
        while self.past.get(1).is_some_and(|progress| progress.taken_ns <= oldest) {
            self.past.pop_front();
        }
    }

    /// Notes when things changed.
    fn follow(&mut self, now: &Progress, hog_since_ns: Option<u64>) {
        let last = self.past.back();
        let resized = last.is_some_and(|last| last.sizes_differ(now));
        if last.is_some_and(|last| last.modes != now.modes) {
            self.switched_ns = now.taken_ns;
        }
        self.hog_since_ns = hog_since_ns;
        if hog_since_ns.is_none() && (resized || self.baseline_ns == 0) {
            // A new baseline; without an old one there is nothing to compare modes with.
            self.calm_since_ns = self.calm_since_ns.filter(|_| self.baseline_modes == now.modes);
            self.baseline_modes.clone_from(&now.modes);
            self.baseline.clear();
            self.baseline_ns = 0;
        }
        if hog_since_ns.is_some() || now.modes != self.baseline_modes {
            self.calm_since_ns = None;
        } else if self.calm_since_ns.is_none() || resized {
            self.calm_since_ns = Some(now.taken_ns);
        }
        if self.past.back().is_none_or(|last| last.done() < now.done()) {
            self.last_progress_ns = now.taken_ns;
        }
    }

    fn learn(&mut self, now: &Progress) {
        let Some(calm) = self.calm_since_ns else { return };
        let begin = now.taken_ns.saturating_sub(BASELINE_NS).max(calm + SETTLE_NS);
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

    fn judge(&mut self, now: &Progress, window_ns: u64) {
        // Neither a hog's first moments nor a recovery is measured with what was before.
        let turn = self.hog_since_ns.or(self.calm_since_ns).unwrap_or(0).max(self.switched_ns);
        let begin = now.taken_ns.saturating_sub(window_ns).max(turn);
        let first = self.past.iter().find(|progress| progress.taken_ns >= begin);
        let Some(first) = first.filter(|first| now.running_ns - first.running_ns >= MIN_SPAN_NS)
        else {
            return;
        };
        let mut shares = Vec::new();
        for (name, size, done, rate) in rates(first, now) {
            let before = self.baseline.iter().find(|(known, ..)| known == name);
            if let Some((_, _, before)) = before.filter(|(_, at, rate)| *at == size && *rate > 0.0)
            {
                shares.push((Arc::clone(name), *before, if done == 0 { 0.0 } else { rate }));
            }
        }
        let achieved: f64 = shares.iter().map(|(_, before, now)| now / before).sum();
        let factor = match shares.len() {
            0 => None,
            _ if achieved <= 0.0 => Some(Factor::Standstill),
            n => Some(Factor::Times(n as f64 / achieved)),
        };
        let standstill = factor == Some(Factor::Standstill);
        self.figure = Slowdown {
            factor,
            shares,
            standstill_since_ns: standstill.then_some(self.last_progress_ns),
            ..Slowdown::default()
        };
    }
}

/// (workload, size, units done, units a second) between two moments.
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

    /// Drives a tracker at 4 Hz; `rate` is units done in each step.
    struct Run {
        tracker: Tracker,
        now: u64,
        done: u64,
        hog_since: Option<u64>,
        hold: Option<u64>,
        count: usize,
        cancelled: u64,
        mode: &'static str,
        stops: Vec<Stop>,
    }

    impl Run {
        fn new() -> Self {
            let tracker = Tracker::default();
            let (hog_since, hold) = (None, None);
            let (mode, stops) = ("awaited", Vec::new());
            Run { tracker, now: 0, done: 0, hog_since, hold, count: 3, cancelled: 0, mode, stops }
        }

        fn steps(&mut self, steps: u64, rate: u64) -> &Slowdown {
            for _ in 0..steps {
                self.now += 250 * MS;
                self.done += rate;
                let mut next = snapshot(self.now, []);
                let mut figures = lab([("tcp", self.count, Some("request"), self.done)]);
                figures.hog.on_since_ns = self.hog_since;
                figures.hog.hold_ns = self.hold;
                figures.workloads[0].mode = Some(self.mode.into());
                figures.workloads[0].cancelled = self.cancelled;
                next.lab = Some(figures);
                let stops = self.stops.clone();
                next.machine = Some(MachineStats { stops, ..MachineStats::default() });
                self.tracker.advance(&next);
            }
            self.tracker.figure()
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
    fn without_a_hog_it_is_one() {
        assert!((times(Run::new().factor(12, 100)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_quarter_of_the_work_is_four_times_slower_and_recovers() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.hold = Some(5 * MS);
        assert!((times(run.factor(8, 25)) - 4.0).abs() < 1e-9);
        run.hog_since = None;
        assert!((times(run.factor(3, 100)) - 1.0).abs() < 0.01);
    }

    #[test]
    fn rates_exclude_time_in_which_the_process_was_stopped() {
        let mut run = Run::new();
        run.steps(20, 100);
        let from_ns = run.now;
        run.now += 10 * SECOND_NS;
        run.stops.push(Stop { from_ns, to_ns: run.now });
        for _ in 0..30 {
            assert!((times(run.factor(1, 100)) - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn nothing_done_is_a_standstill_since_the_last_progress() {
        let mut run = Run::new();
        run.steps(20, 100);
        let last = run.now;
        run.hog_since = Some(run.now + 1);
        let figure = run.steps(8, 0).clone();
        assert_eq!(figure.factor, Some(Factor::Standstill));
        assert_eq!(figure.standstill_since_ns, Some(last));
    }

    #[test]
    fn the_hog_does_not_become_the_baseline() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        assert!((times(run.factor(100, 50)) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_hog_of_long_turns_is_judged_over_three_of_them() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.hold = Some(2_000 * MS);
        // Eight steps of nothing, one of work, again and again: a ninth gets done.
        for _ in 0..6 {
            run.steps(8, 0);
            run.steps(1, 100);
        }
        assert!((6.0..13.0).contains(&times(run.factor(4, 0))));
    }

    #[test]
    fn a_workload_that_changed_its_size_is_left_out_until_a_new_baseline() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.hog_since = Some(run.now);
        run.count = 5;
        assert_eq!(run.factor(8, 200), None);
        run.hog_since = None;
        assert!((times(run.factor(20, 200)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn another_mode_is_compared_with_the_first_one() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.mode = "on-the-worker";
        let figure = run.steps(100, 50).clone();
        assert!((times(figure.factor) - 2.0).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.other_modes, [("tcp".into(), "on-the-worker".into())]);
        // The end of a hog does not make this mode the baseline.
        run.hog_since = Some(run.now);
        run.steps(20, 10);
        run.hog_since = None;
        assert!((times(run.factor(20, 50)) - 2.0).abs() < 1e-9);
        run.mode = "awaited";
        let figure = run.steps(20, 100);
        assert!((times(figure.factor) - 1.0).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.other_modes, []);
    }

    #[test]
    fn size_change_starts_a_new_baseline_in_the_current_mode() {
        let mut run = Run::new();
        run.steps(20, 100);
        run.mode = "on-the-worker";
        run.steps(20, 50);
        run.count = 5;
        assert_eq!(run.steps(1, 70).baseline_ns, 0);
        let figure = run.steps(20, 70).clone();
        assert!((times(figure.factor) - 1.0).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.other_modes, []);
    }

    #[test]
    fn cancelled_task_changes_the_size() {
        let mut run = Run::new();
        run.steps(20, 90);
        run.cancelled = 1;
        assert_eq!(run.steps(1, 60).baseline_ns, 0);
        assert!((times(run.factor(20, 60)) - 1.0).abs() < 1e-9);
        run.hog_since = Some(run.now);
        run.cancelled = 2;
        assert_eq!(run.factor(8, 30), None, "not comparable beside a hog");
    }

    #[test]
    fn mode_change_before_the_baseline_sets_its_mode() {
        let mut run = Run::new();
        run.steps(1, 100);
        run.mode = "on-the-worker";
        let figure = run.steps(20, 50);
        assert!((times(figure.factor) - 1.0).abs() < 1e-9, "{figure:?}");
        assert_eq!((figure.baseline_ns, &figure.other_modes), (4_750 * MS - 250 * MS, &vec![]));
    }

    #[test]
    fn baseline_without_closed_loop_work_has_no_factor() {
        let mut tracker = Tracker::default();
        for step in 0..12 {
            let mut next = snapshot(step * 250 * MS, []);
            next.lab = Some(lab([]));
            tracker.advance(&next);
        }
        assert_eq!((tracker.figure().factor, tracker.figure().baseline_ns), (None, 2_500 * MS));
    }

    #[test]
    fn without_closed_loop_work_there_is_no_figure() {
        let mut tracker = Tracker::default();
        tracker.advance(&snapshot(0, []));
        assert_eq!(*tracker.figure(), Slowdown::default());
    }
}
