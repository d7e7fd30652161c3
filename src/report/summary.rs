//! What happened before the end: the phases of a run.

use std::sync::Arc;

use crate::{
    model::{Model, SchedulingDelay, Slowdown, TargetModel},
    snapshot::{Snapshot, Target, TargetId},
};

/// The phases of a run, in order. Empty if nobody divided it.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Such as "without the hog" and "with the hog".
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
    /// The target.
    pub target: TargetId,
    /// What sets it apart, such as `with-hog`.
    pub name: &'static str,
    /// When it began, on the source's clock.
    pub begin_ns: u64,
    /// How long it lasted, without the time in which the process was stopped.
    pub duration_ns: u64,
    /// What the closed-loop workloads achieved in it.
    pub work: Vec<Work>,
    /// Scheduling delay over its last second, or over a second that began before it.
    pub scheduling_delay: SchedulingDelay,
    /// How much slower the work was at its end than before any hog.
    pub slowdown: Slowdown,
}

/// What one closed-loop workload achieved in a phase.
#[derive(Clone, Debug)]
pub struct Work {
    /// The workload's name.
    pub name: Arc<str>,
    /// What one unit of it is, such as "request".
    pub unit: Arc<str>,
    /// Units done.
    pub done: u64,
    /// Units a second, over the whole phase.
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
    let mut result = Vec::new();
    for workload in &after.workloads {
        let Some(unit) = workload.unit.clone() else { continue };
        let old = before.workloads.iter().find(|old| old.name == workload.name);
        let done = workload.done.saturating_sub(old.map_or(0, |old| old.done));
        let seconds = duration_ns as f64 / 1e9;
        let per_second = if duration_ns == 0 { 0.0 } else { done as f64 / seconds };
        result.push(Work { name: Arc::clone(&workload.name), unit, done, per_second });
    }
    result
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
    fn a_phase_counts_what_was_done_in_it() {
        let mut model = Model::default();
        let first = at(1_000_000_000, 500);
        model.advance(&first.clone().into());
        model.advance(&at(3_000_000_000, 900).into());
        let phase = phase(first, &model).expect("two snapshots");
        assert_eq!(phase.duration_ns, 2_000_000_000);
        let [work] = &phase.work[..] else { panic!("{phase:?}: heartbeats are no closed loop") };
        assert_eq!((work.done, work.per_second), (400, 200.0));
    }

    #[test]
    fn a_phase_does_not_span_two_runtimes() {
        let mut model = Model::default();
        let mut last = at(2_000_000_000, 5);
        last.epoch = 7;
        model.advance(&last.into());
        assert!(phase(at(0, 0), &model).is_none());
    }

    #[test]
    fn a_phase_of_no_time_has_a_rate_of_zero() {
        let mut model = Model::default();
        model.advance(&at(0, 5).into());
        let phase = phase(at(0, 0), &model).expect("a snapshot");
        assert_eq!(phase.work[0].per_second, 0.0);
    }
}
