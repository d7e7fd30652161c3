//! The phases of a run.

use std::sync::Arc;

use crate::{
    model::{Model, SchedulingDelay, Slowdown, TargetModel},
    snapshot::{Snapshot, Target, TargetId, WorkloadStats},
};

/// The phases of a run, in order. Empty if the run was not divided.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// One per target for each phase.
    pub phases: Vec<Phase>,
}

impl Summary {
    /// The phases of a target.
    pub fn of(&self, target: TargetId) -> impl Iterator<Item = &Phase> {
        self.phases.iter().filter(move |phase| phase.target == target)
    }
}

/// A part of a run.
#[derive(Clone, Debug)]
pub struct Phase {
    /// The target whose values these are.
    pub target: TargetId,
    /// Such as `without-hog` and `with-hog`.
    pub name: &'static str,
    /// Start of the phase, on the target's clock.
    pub begin_ns: u64,
    /// Duration, without the time in which the process was stopped.
    pub duration_ns: u64,
    /// The progress of the closed-loop workloads.
    pub work: Vec<Work>,
    /// Scheduling delay in the last second of the phase; that second may begin before it.
    pub scheduling_delay: SchedulingDelay,
    /// Slowdown at the end of the phase, relative to the baseline without a hog.
    pub slowdown: Slowdown,
}

/// The progress of one closed-loop workload in a phase.
#[derive(Clone, Debug)]
pub struct Work {
    /// Name of the workload.
    pub name: Arc<str>,
    /// Its unit of work, such as "request".
    pub unit: Arc<str>,
    /// Completed units.
    pub done: u64,
    /// Completed units per second, over the whole phase.
    pub per_second: f64,
}

impl Phase {
    /// The phase of each target from the snapshot `first` to the latest one of the model. Targets
    /// whose epoch has changed have none.
    pub fn between<'a>(
        name: &'static str,
        first: &'a Snapshot,
        model: &'a Model,
    ) -> impl Iterator<Item = Phase> + 'a {
        let first = first.targets.iter();
        first.filter_map(move |first| Phase::of_target(name, first, model.target(first.id)?))
    }

    fn of_target(name: &'static str, first: &Target, model: &TargetModel) -> Option<Phase> {
        let last = Some(model.target()).filter(|last| last.epoch == first.epoch)?;
        let duration_ns = last.running_ns(first.taken_ns, last.taken_ns);
        Some(Phase {
            name,
            target: first.id,
            begin_ns: first.taken_ns,
            duration_ns,
            work: work(first, last, duration_ns),
            scheduling_delay: model.scheduling_delay().clone(),
            slowdown: model.slowdown().clone(),
        })
    }
}

fn work(first: &Target, last: &Target, duration_ns: u64) -> Vec<Work> {
    let (Some(before), Some(after)) = (&first.lab, &last.lab) else { return Vec::new() };
    let progress = |workload: &WorkloadStats| {
        let unit = workload.unit.clone()?;
        let old = before.workloads.iter().find(|old| old.name == workload.name);
        let done = workload.done.saturating_sub(old.map_or(0, |old| old.done));
        let seconds = duration_ns as f64 / 1e9;
        let per_second = if duration_ns == 0 { 0.0 } else { done as f64 / seconds };
        Some(Work { name: Arc::clone(&workload.name), unit, done, per_second })
    };
    after.workloads.iter().filter_map(progress).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{lab, snapshot};

    fn at(taken_ns: u64, done: u64) -> Target {
        let mut result = snapshot(taken_ns, []);
        result.lab = Some(lab([("tcp", 2, Some("request"), done), ("beats", 1, None, 0)]));
        result
    }

    fn phase(first: Target, model: &Model) -> Option<Phase> {
        Phase::between("all", &first.into(), model).next()
    }

    #[test]
    fn phase_counts_the_work_between_its_snapshots() {
        let mut model = Model::default();
        let first = at(1_000_000_000, 500);
        model.advance(&first.clone().into());
        model.advance(&at(3_000_000_000, 900).into());
        let phase = phase(first, &model).expect("two snapshots");
        assert_eq!(phase.duration_ns, 2_000_000_000);
        let [work] = &phase.work[..] else { panic!("{phase:?}: heartbeats are not closed-loop") };
        assert_eq!((work.done, work.per_second), (400, 200.0));
    }

    #[test]
    fn phase_does_not_span_two_runtimes() {
        let mut model = Model::default();
        let mut last = at(2_000_000_000, 5);
        last.epoch = 7;
        model.advance(&last.into());
        assert!(phase(at(0, 0), &model).is_none());
    }

    #[test]
    fn phase_of_zero_duration_has_a_rate_of_zero() {
        let mut model = Model::default();
        model.advance(&at(0, 5).into());
        let phase = phase(at(0, 0), &model).expect("a snapshot");
        assert_eq!(phase.work[0].per_second, 0.0);
    }
}
