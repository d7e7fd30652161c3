//! The trials of this session: for each kind of hog and each mode, under each setting, its effect
//! on the other tasks and its own progress.

use std::sync::Arc;

use super::{Factor, Modes, Slowdown};
use crate::{
    Histogram,
    snapshot::{Flavor, State, Target},
};

/// After a hog began or became another one, those who waited before need a moment.
const SETTLE_NS: u64 = 250_000_000;
/// Whoever only passes by on the way to another kind has not tried this one.
const LEAST_NS: u64 = 500_000_000;

/// What makes two measurements comparable: all but the kind is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Number of hogs; 0 for modes without a hog.
    pub count: usize,
    /// The work of one round; `None` is for ever.
    pub hold_ns: Option<u64>,
    /// How the runtime schedules.
    pub flavor: Option<Flavor>,
    /// Its workers.
    pub workers: usize,
}

/// A kind of hog, or modes of workloads, under a setting, over all the time that it was on.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The hog's kind; `None` if modes were tried without a hog.
    pub kind: Option<Arc<str>>,
    /// The workloads whose mode differed from the baseline, with their mode.
    pub modes: Modes,
    /// Whether the hog is a fix.
    pub is_fix: bool,
    /// Under which circumstances.
    pub setting: Setting,
    /// It is on right now.
    pub is_on: bool,
    /// How long it was measured: not in its first quarter second.
    pub measured_ns: u64,
    /// How much less the closed-loop work achieved than before any hog; `None` without
    /// such work or a baseline.
    pub slowdown: Option<Factor>,
    /// 99 % of the waits for a worker were at most this long.
    pub delay_p99_ns: Option<u64>,
    /// The longest wait for a worker, up to the error of a [`Histogram`].
    pub max_delay_ns: Option<u64>,
    /// Units of its own work a second; `None` if it only waits.
    pub work_per_second: Option<f64>,
    /// What its work is counted in.
    pub unit: Option<Arc<str>>,
}

/// Everything that was tried, over all runtimes of the lab. What was tried under the same
/// setting stands together, in the order of its first time; the latest new setting first.
#[derive(Clone, Debug, Default)]
pub struct Session {
    entries: Vec<Entry>,
    under_way: Option<UnderWay>,
}

/// What is being measured.
#[derive(Clone, Debug)]
struct UnderWay {
    kind: Option<Arc<str>>,
    modes: Modes,
    setting: Setting,
    /// When the hog was turned on.
    since_ns: Option<u64>,
    /// Nothing counts before.
    from_ns: u64,
    last: Option<Mark>,
}

/// What totals were at a moment.
#[derive(Clone, Debug)]
struct Mark {
    taken_ns: u64,
    delays: Histogram,
    hog_done: u64,
    work: Vec<(Arc<str>, u64)>,
}

/// A trial with the sums that its figures are made of.
#[derive(Clone, Debug)]
struct Entry {
    trial: Trial,
    delays: Histogram,
    hog_done: u64,
    compared_ns: u64,
    /// As many nanoseconds of work as before any hog were achieved while it was compared.
    achieved_ns: f64,
}

impl Trial {
    /// What was tried, such as `spin`, `web on-the-worker` or `spin, web on-the-worker`.
    pub fn name(&self) -> String {
        let modes = self.modes.iter().map(|(workload, mode)| format!("{workload} {mode}"));
        let parts = self.kind.as_deref().map(str::to_owned).into_iter().chain(modes);
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Session {
    /// What was tried for long enough to say something.
    pub fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.entries.iter().map(|entry| &entry.trial).filter(|t| t.measured_ns >= LEAST_NS)
    }

    pub(super) fn advance(&mut self, now: &Target, slowdown: &Slowdown) {
        for entry in &mut self.entries {
            entry.trial.is_on = false;
        }
        let Some(lab) = &now.lab else { return };
        let hog = lab.hog.on_since_ns.map(|_| &lab.hog);
        let modes = &slowdown.other_modes;
        if hog.is_none() && modes.is_empty() {
            self.under_way = None;
            return;
        }
        let kind = hog.map(|hog| Arc::clone(&hog.kind));
        let setting = Setting {
            count: hog.map_or(0, |hog| hog.count),
            hold_ns: hog.and_then(|hog| hog.hold_ns),
            flavor: now.runtime.flavor,
            workers: now.workers.len(),
        };
        let goes_on = self.under_way.as_ref().is_some_and(|way| {
            (&way.kind, &way.modes, way.since_ns, &way.setting)
                == (&kind, modes, lab.hog.on_since_ns, &setting)
        });
        if !goes_on {
            let (from_ns, since_ns) = (now.taken_ns + SETTLE_NS, lab.hog.on_since_ns);
            let modes = modes.clone();
            self.under_way = Some(UnderWay {
                kind: kind.clone(),
                modes,
                setting,
                since_ns,
                from_ns,
                last: None,
            });
        }
        let Some(way) = self.under_way.as_mut().filter(|way| now.taken_ns >= way.from_ns) else {
            return;
        };
        let mark = Mark::of(now);
        if let Some(last) = way.last.replace(mark) {
            let trial = Trial {
                kind,
                modes: way.modes.clone(),
                is_fix: hog.is_some_and(|hog| hog.is_fix),
                setting: way.setting.clone(),
                is_on: false,
                measured_ns: 0,
                slowdown: None,
                delay_p99_ns: None,
                max_delay_ns: None,
                work_per_second: None,
                unit: hog.and_then(|hog| hog.unit.clone()),
            };
            let at = self.place(trial);
            self.entries[at].add(&last, now, slowdown);
        }
    }

    /// The position of this trial, which is inserted if it is new.
    fn place(&mut self, trial: Trial) -> usize {
        let of = |trial: &Trial| (trial.kind.clone(), trial.modes.clone(), trial.setting.clone());
        let same = |entry: &Entry| of(&entry.trial) == of(&trial);
        if let Some(at) = self.entries.iter().position(same) {
            return at;
        }
        let fellow = self.entries.iter().rposition(|entry| entry.trial.setting == trial.setting);
        let at = fellow.map_or(0, |last| last + 1);
        let delays = Histogram::default();
        let entry = Entry { trial, delays, hog_done: 0, compared_ns: 0, achieved_ns: 0.0 };
        self.entries.insert(at, entry);
        at
    }
}

impl Mark {
    fn of(now: &Target) -> Mark {
        let lab = now.lab.iter();
        let work = lab.clone().flat_map(|lab| &lab.workloads);
        Mark {
            taken_ns: now.taken_ns,
            delays: now.delays.clone(),
            hog_done: lab.map(|lab| lab.hog.done).sum(),
            work: work.map(|workload| (Arc::clone(&workload.name), workload.done)).collect(),
        }
    }
}

impl Entry {
    /// Adds what happened since `last`.
    fn add(&mut self, last: &Mark, now: &Target, slowdown: &Slowdown) {
        let mark = Mark::of(now);
        let elapsed_ns = now.running_ns(last.taken_ns, now.taken_ns);
        self.hog_done += mark.hog_done.saturating_sub(last.hog_done);
        self.delays.merge(&now.delays.since(&last.delays));
        let shares = slowdown.shares.iter().filter_map(|(name, before, _)| {
            let done = |mark: &Mark| mark.work.iter().find(|(of, _)| of == name).map(|(_, n)| *n);
            let done = done(&mark)?.saturating_sub(done(last)?);
            Some(done as f64 / before * 1e9)
        });
        let shares: Vec<f64> = shares.filter(|share| share.is_finite()).collect();
        if !shares.is_empty() {
            self.compared_ns += elapsed_ns;
            self.achieved_ns += shares.iter().sum::<f64>() / shares.len() as f64;
        }
        self.trial.measured_ns += elapsed_ns;
        self.conclude(now);
    }

    fn conclude(&mut self, now: &Target) {
        // Who still waits counts with what it has waited so far, and is not added up.
        let mut waits = self.delays.clone();
        for task in now.tasks.iter().filter(|task| task.state == State::Scheduled) {
            waits.record(now.running_ns(task.since_ns, now.taken_ns));
        }
        let trial = &mut self.trial;
        trial.is_on = true;
        trial.delay_p99_ns = waits.quantile(0.99);
        trial.max_delay_ns = waits.quantile(1.0);
        trial.slowdown = match self.compared_ns {
            0 => None,
            _ if self.achieved_ns <= 0.0 => Some(Factor::Standstill),
            compared => Some(Factor::Times(compared as f64 / self.achieved_ns)),
        };
        let seconds = trial.measured_ns as f64 / 1e9;
        trial.work_per_second =
            trial.unit.as_ref().filter(|_| seconds > 0.0).map(|_| self.hog_done as f64 / seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Model,
        testing::{hog, lab, snapshot, task},
    };

    const MS: u64 = 1_000_000;

    /// A model that is shown four snapshots a second.
    #[derive(Debug, Default)]
    struct Run {
        model: Model,
        now: u64,
        epoch: u32,
        requests: u64,
        delays: Histogram,
        /// The hog that is on, since when, and what it has done.
        hog: Option<(&'static str, u64)>,
        computed: u64,
        mode: Option<&'static str>,
    }

    impl Run {
        /// Lets seconds pass in which `rate` requests are answered a second and everybody
        /// waits `delay` for a worker.
        fn seconds(&mut self, seconds: u64, rate: u64, delay: u64) -> &mut Self {
            self.looks(4 * seconds, rate, delay)
        }

        fn looks(&mut self, looks: u64, rate: u64, delay: u64) -> &mut Self {
            for _ in 0..looks {
                self.now += 250 * MS;
                self.requests += rate / 4;
                self.computed += 200;
                (0..50).for_each(|_| self.delays.record(delay));
                let mut next = snapshot(self.now, [task(1, "t")]);
                next.epoch = self.epoch;
                next.delays = self.delays.clone();
                let mut figures = lab([("tcp", 1, Some("request"), self.requests)]);
                figures.workloads[0].mode = self.mode.map(Into::into);
                if let Some((kind, since)) = self.hog {
                    figures.hog = hog(kind);
                    figures.hog.on_since_ns = Some(since);
                    figures.hog.hold_ns = Some(100 * MS);
                    figures.hog.done = self.computed;
                }
                next.lab = Some(figures);
                self.model.advance(&next.into());
            }
            self
        }

        fn on(&mut self, kind: &'static str) -> &mut Self {
            self.hog = Some((kind, self.now));
            self
        }

        fn trials(&self) -> Vec<&Trial> {
            self.model.only().session().trials().collect()
        }
    }

    fn names(one: &str, other: &str) -> (String, String) {
        (one.to_owned(), other.to_owned())
    }

    fn times(trial: &Trial) -> f64 {
        match trial.slowdown {
            Some(Factor::Times(n)) => n,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anti_pattern_and_fix_are_separate_trials() {
        let mut run = Run::default();
        run.seconds(6, 400, 20_000).on("spin").seconds(5, 40, 90 * MS);
        run.on("yield").seconds(5, 320, 100_000);
        let trials = run.trials();
        let [spin, fix] = &trials[..] else { panic!("{trials:?}") };
        assert_eq!(
            (&*spin.name(), &*fix.name(), spin.is_fix, fix.is_fix),
            ("spin", "yield", false, true)
        );
        assert!((9.0..11.0).contains(&times(spin)), "{spin:?}");
        assert!((1.1..1.4).contains(&times(fix)), "{fix:?}");
        assert!(spin.delay_p99_ns > Some(60 * MS), "{spin:?}");
        // Those who waited beside the anti-pattern do not count for the fix.
        assert!(fix.max_delay_ns < Some(MS), "{fix:?}");
        assert_eq!(fix.work_per_second, Some(800.0));
        assert_eq!((spin.is_on, fix.is_on), (false, true));
        assert_eq!(spin.setting, fix.setting);
    }

    #[test]
    fn it_goes_on_where_it_left_off_also_on_the_next_runtime() {
        let mut run = Run::default();
        run.seconds(6, 400, 20_000).on("spin").seconds(3, 40, 90 * MS);
        let before = run.trials()[0].measured_ns;
        run.hog = None;
        run.epoch += 1;
        run.seconds(6, 400, 20_000).on("spin").seconds(3, 40, 90 * MS);
        let trials = run.trials();
        assert_eq!(trials.len(), 1);
        assert!(trials[0].measured_ns >= 2 * before, "{trials:?}");
        assert!((9.0..11.0).contains(&times(trials[0])), "{trials:?}");
    }

    #[test]
    fn nothing_done_is_a_standstill_and_without_a_baseline_nothing_is_said() {
        let mut run = Run::default();
        run.seconds(6, 400, 20_000).on("spin").seconds(3, 0, 20_000);
        assert_eq!(run.trials()[0].slowdown, Some(Factor::Standstill));
        let mut run = Run::default();
        run.on("spin").seconds(3, 40, 20_000);
        assert_eq!(run.trials()[0].slowdown, None);
    }

    #[test]
    fn mode_is_a_separate_trial_with_and_without_a_hog() {
        let mut run = Run { mode: Some("awaited"), ..Run::default() };
        run.seconds(6, 400, 20_000);
        run.mode = Some("on-the-worker");
        run.seconds(5, 200, 40 * MS);
        run.on("spin").seconds(5, 40, 90 * MS);
        let trials = run.trials();
        let [hog, mode] = &trials[..] else { panic!("{trials:?}") };
        assert_eq!(
            (mode.name(), hog.name()),
            names("tcp on-the-worker", "spin, tcp on-the-worker")
        );
        assert!((1.9..2.1).contains(&times(mode)) && (9.0..11.0).contains(&times(hog)), "{run:?}");
        assert_eq!((mode.work_per_second, mode.setting.count), (None, 0));
        assert_eq!((mode.is_on, hog.is_on), (false, true));
        // In the first mode, without a hog, there is no trial.
        (run.mode, run.hog) = (Some("awaited"), None);
        run.seconds(3, 400, 20_000);
        assert!(run.trials().iter().all(|trial| !trial.is_on), "{:?}", run.trials());
    }

    #[test]
    fn a_kind_that_one_only_passes_by_was_not_tried() {
        let mut run = Run::default();
        run.seconds(6, 400, 20_000).on("block").looks(3, 40, MS);
        run.on("spin").seconds(2, 40, MS);
        let kinds: Vec<_> = run.trials().iter().map(|trial| trial.name()).collect();
        assert_eq!(kinds, ["spin"], "{:?}", run.trials());
    }
}
