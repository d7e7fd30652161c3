//! Trials: each kind of hog and each mode under each setting, with its effect on the other tasks
//! and the work that it did.

use std::sync::Arc;

use super::{Factor, Modes, Slowdown};
use crate::{
    snapshot::{Flavor, Histogram, Target},
    text::{UNAVAILABLE, duration},
};

/// A trial is measured from this time after it began: tasks that were runnable before it need a
/// moment.
const SETTLE_NS: u64 = 250_000_000;
/// A shorter trial is not listed: the user was selecting another kind.
const MIN_MEASURED_NS: u64 = 500_000_000;

/// The conditions of a trial. Trials are comparable if they have the same ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialSetting {
    /// Number of hogs; 0 for modes without a hog.
    pub count: usize,
    /// How long a hog blocks its worker before it yields once; `None` if it never yields.
    pub hold_ns: Option<u64>,
    /// The flavor of the runtime.
    pub flavor: Option<Flavor>,
    /// Number of workers.
    pub workers: usize,
}

/// A kind of hog, or modes of workloads, under one setting, over all the time that it was on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The kind of hog; `None` if only modes were tried.
    pub kind: Option<Arc<str>>,
    /// The workloads whose mode differed from the baseline, with their mode.
    pub modes: Modes,
    /// Whether the hog is a fix.
    pub is_fix: bool,
    /// The conditions.
    pub setting: TrialSetting,
    /// Whether it is on now.
    pub is_on: bool,
    /// The time that was measured, without the first quarter second.
    pub measured_ns: u64,
    /// Slowdown of the closed-loop work; `None` without such work or a baseline.
    pub slowdown: Option<Factor>,
    /// 99th percentile of the scheduling delay.
    pub delay_p99_ns: Option<u64>,
    /// Longest scheduling delay, up to the error of a [`Histogram`].
    pub max_delay_ns: Option<u64>,
    /// Units of the hog's own work per second; `None` if it does not count any.
    pub work_per_second: Option<f64>,
    /// The unit of that work.
    pub unit: Option<Arc<str>>,
}

/// The trials over all runtimes of the lab. Those under one setting follow each other, in the
/// order in which they first began; the latest setting comes first.
#[derive(Clone, Debug, Default)]
pub struct Trials {
    measured: Vec<MeasuredTrial>,
    current: Option<CurrentTrial>,
}

/// The trial that is on.
#[derive(Clone, Debug)]
struct CurrentTrial {
    kind: Option<Arc<str>>,
    modes: Modes,
    setting: TrialSetting,
    /// The time at which the hog was turned on.
    since_ns: Option<u64>,
    /// When the measurement begins.
    from_ns: u64,
    last: Option<Totals>,
}

/// Totals at one moment.
#[derive(Clone, Debug)]
struct Totals {
    taken_ns: u64,
    delays: Histogram,
    hog_done: u64,
    work: Vec<(Arc<str>, u64)>,
}

/// A trial with the sums that its statistics are computed from.
#[derive(Clone, Debug)]
struct MeasuredTrial {
    trial: Trial,
    delays: Histogram,
    hog_done: u64,
    /// The time in which the work could be compared with the baseline.
    compared_ns: u64,
    /// The time that the baseline needs for the work done in `compared_ns`.
    achieved_ns: f64,
}

impl Trial {
    /// The kind and the modes: `spin`, `web on-the-worker` or `spin, web on-the-worker`.
    pub fn name(&self) -> String {
        let modes = self.modes.iter().map(|(workload, mode)| format!("{workload} {mode}"));
        let parts = self.kind.as_deref().map(str::to_owned).into_iter().chain(modes);
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The hold time as text. Without one, an anti-pattern never yields, and a fix has endless work.
    pub fn hold(&self) -> String {
        match (&self.kind, self.setting.hold_ns) {
            (None, _) => UNAVAILABLE.to_owned(),
            (Some(_), Some(hold_ns)) => duration(hold_ns),
            (Some(_), None) if self.is_fix => "endless".to_owned(),
            (Some(_), None) => "never".to_owned(),
        }
    }
}

impl Trials {
    /// The trials that were measured for at least half a second.
    pub fn iter(&self) -> impl Iterator<Item = &Trial> {
        let trials = self.measured.iter().map(|measured| &measured.trial);
        trials.filter(|trial| trial.measured_ns >= MIN_MEASURED_NS)
    }

    pub(super) fn advance(&mut self, now: &Target, slowdown: &Slowdown) {
        for measured in &mut self.measured {
            measured.trial.is_on = false;
        }
        let Some(lab) = &now.lab else { return };
        let hog = lab.hog.on_since_ns.map(|_| &lab.hog);
        let modes = &slowdown.other_modes;
        if hog.is_none() && modes.is_empty() {
            self.current = None;
            return;
        }
        let kind = hog.map(|hog| Arc::clone(&hog.kind));
        let setting = TrialSetting {
            count: hog.map_or(0, |hog| hog.count),
            hold_ns: hog.and_then(|hog| hog.hold_ns),
            flavor: now.runtime.flavor,
            workers: now.workers.len(),
        };
        let is_same = self.current.as_ref().is_some_and(|current| {
            (&current.kind, &current.modes, current.since_ns, &current.setting)
                == (&kind, modes, lab.hog.on_since_ns, &setting)
        });
        if !is_same {
            self.current = Some(CurrentTrial {
                kind: kind.clone(),
                modes: modes.clone(),
                setting,
                since_ns: lab.hog.on_since_ns,
                from_ns: now.taken_ns + SETTLE_NS,
                last: None,
            });
        }
        let current = self.current.as_mut().filter(|current| now.taken_ns >= current.from_ns);
        let Some(current) = current else { return };
        if let Some(last) = current.last.replace(Totals::of(now)) {
            let trial = Trial {
                kind,
                modes: current.modes.clone(),
                is_fix: hog.is_some_and(|hog| hog.is_fix),
                setting: current.setting.clone(),
                unit: hog.and_then(|hog| hog.unit.clone()),
                ..Trial::default()
            };
            let at = self.find_or_insert(trial);
            self.measured[at].add(&last, now, slowdown);
        }
    }

    /// The position of this trial, which is inserted if it is new.
    fn find_or_insert(&mut self, trial: Trial) -> usize {
        let id = |trial: &Trial| (trial.kind.clone(), trial.modes.clone(), trial.setting.clone());
        let is_same = |measured: &MeasuredTrial| id(&measured.trial) == id(&trial);
        if let Some(at) = self.measured.iter().position(is_same) {
            return at;
        }
        let has_setting = |measured: &MeasuredTrial| measured.trial.setting == trial.setting;
        let at = self.measured.iter().rposition(has_setting).map_or(0, |last| last + 1);
        let delays = Histogram::default();
        let new = MeasuredTrial { trial, delays, hog_done: 0, compared_ns: 0, achieved_ns: 0.0 };
        self.measured.insert(at, new);
        at
    }
}

impl Totals {
    fn of(now: &Target) -> Totals {
        let lab = now.lab.iter();
        let work = lab.clone().flat_map(|lab| &lab.workloads);
        Totals {
            taken_ns: now.taken_ns,
            delays: now.delays.clone(),
            hog_done: lab.map(|lab| lab.hog.done).sum(),
            work: work.map(|workload| (Arc::clone(&workload.name), workload.done)).collect(),
        }
    }
}

impl MeasuredTrial {
    /// Adds the time since `last`.
    fn add(&mut self, last: &Totals, now: &Target, slowdown: &Slowdown) {
        let totals = Totals::of(now);
        let elapsed_ns = now.running_ns(last.taken_ns, now.taken_ns);
        self.hog_done += totals.hog_done.saturating_sub(last.hog_done);
        self.delays.merge(&now.delays.since(&last.delays));
        let shares = slowdown.shares.iter().filter_map(|(name, baseline, _)| {
            let done = |at: &Totals| at.work.iter().find(|(of, _)| of == name).map(|(_, n)| *n);
            let done = done(&totals)?.saturating_sub(done(last)?);
            Some(done as f64 / baseline * 1e9)
        });
        let shares: Vec<f64> = shares.filter(|share| share.is_finite()).collect();
        if !shares.is_empty() {
            self.compared_ns += elapsed_ns;
            self.achieved_ns += shares.iter().sum::<f64>() / shares.len() as f64;
        }
        self.trial.measured_ns += elapsed_ns;
        self.update_statistics(now);
    }

    fn update_statistics(&mut self, now: &Target) {
        // The delay of a runnable task counts while it lasts, and is not added up.
        let mut delays = self.delays.clone();
        for task in now.tasks.iter().filter(|task| task.is_runnable()) {
            delays.record(now.running_ns(task.since_ns, now.taken_ns));
        }
        let trial = &mut self.trial;
        trial.is_on = true;
        trial.delay_p99_ns = delays.quantile(0.99);
        trial.max_delay_ns = delays.quantile(1.0);
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

    /// A lab of four snapshots per second.
    #[derive(Debug, Default)]
    struct LabRun {
        model: Model,
        now: u64,
        epoch: u32,
        requests: u64,
        delays: Histogram,
        /// The kind of the hog that is on, and when it was turned on.
        hog: Option<(&'static str, u64)>,
        computed: u64,
        mode: Option<&'static str>,
    }

    impl LabRun {
        /// Adds `seconds` with `rate` requests per second and this scheduling delay.
        fn seconds(&mut self, seconds: u64, rate: u64, delay: u64) -> &mut Self {
            self.snapshots(4 * seconds, rate, delay)
        }

        fn snapshots(&mut self, count: u64, rate: u64, delay: u64) -> &mut Self {
            for _ in 0..count {
                self.now += 250 * MS;
                self.requests += rate / 4;
                self.computed += 200;
                (0..50).for_each(|_| self.delays.record(delay));
                let mut next = snapshot(self.now, [task(1, "t")]);
                next.epoch = self.epoch;
                next.delays = self.delays.clone();
                let mut lab = lab([("tcp", 1, Some("request"), self.requests)]);
                lab.workloads[0].mode = self.mode.map(Into::into);
                if let Some((kind, since)) = self.hog {
                    lab.hog = hog(kind);
                    lab.hog.on_since_ns = Some(since);
                    lab.hog.hold_ns = Some(100 * MS);
                    lab.hog.done = self.computed;
                }
                next.lab = Some(lab);
                self.model.advance(&next.into());
            }
            self
        }

        fn on(&mut self, kind: &'static str) -> &mut Self {
            self.hog = Some((kind, self.now));
            self
        }

        fn trials(&self) -> Vec<&Trial> {
            self.model.only().trials().iter().collect()
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
        let mut run = LabRun::default();
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
        // The delays of the anti-pattern do not count for the fix.
        assert!(fix.max_delay_ns < Some(MS), "{fix:?}");
        assert_eq!(fix.work_per_second, Some(800.0));
        assert_eq!((spin.is_on, fix.is_on), (false, true));
        assert_eq!(spin.setting, fix.setting);
    }

    #[test]
    fn trial_continues_on_the_next_runtime() {
        let mut run = LabRun::default();
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
    fn slowdown_is_infinite_without_work_and_none_without_a_baseline() {
        let mut run = LabRun::default();
        run.seconds(6, 400, 20_000).on("spin").seconds(3, 0, 20_000);
        assert_eq!(run.trials()[0].slowdown, Some(Factor::Standstill));
        let mut run = LabRun::default();
        run.on("spin").seconds(3, 40, 20_000);
        assert_eq!(run.trials()[0].slowdown, None);
    }

    #[test]
    fn mode_is_a_separate_trial_with_and_without_a_hog() {
        let mut run = LabRun { mode: Some("awaited"), ..LabRun::default() };
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
    fn trial_below_half_a_second_is_not_listed() {
        let mut run = LabRun::default();
        run.seconds(6, 400, 20_000).on("block").snapshots(3, 40, MS);
        run.on("spin").seconds(2, 40, MS);
        let kinds: Vec<_> = run.trials().iter().map(|trial| trial.name()).collect();
        assert_eq!(kinds, ["spin"], "{:?}", run.trials());
    }
}
