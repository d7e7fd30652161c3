//! Rates of tasks that are counted elsewhere.
//!
//! A target sends its counts now and then, and snapshots are taken more often than that:
//! between two of them nothing would seem to happen for a while, and then four times as
//! much as did. So rates are taken between the snapshots that first showed each update of a
//! target, over the time between the updates, and hold until the next one.

use std::sync::Arc;

use super::{Connection, Target, TargetFigures, TaskRates, TaskStats, rates};

/// Remembers the snapshot that first showed the last update of each target.
#[derive(Clone, Debug, Default)]
pub(super) struct ByTarget {
    first: Vec<Option<Arc<Target>>>,
    /// The time that the rates of each target cover.
    spans_ns: Vec<Option<u64>>,
}

impl ByTarget {
    /// The time that the rates of a target cover; `None` for those that cover the life of each
    /// task.
    pub(super) fn span_ns(&self, position: usize) -> Option<u64> {
        self.spans_ns.get(position).copied().flatten()
    }

    /// The rates of each task of `now`, in its order. Those of targets that have sent nothing
    /// new, or too soon after their last update, are taken from `last` and the rates there.
    pub(super) fn rates(
        &mut self,
        now: &Arc<Target>,
        last: Option<&Target>,
        rates_there: &[TaskRates],
    ) -> Vec<TaskRates> {
        let mut rates = Vec::with_capacity(now.tasks.len());
        self.first.resize(now.targets.len(), None);
        self.spans_ns.resize(now.targets.len(), None);
        for (at, target) in now.targets.iter().enumerate() {
            let tasks = of(now, target);
            if matches!(target.connection, Connection::Lost { .. } | Connection::Stale { .. }) {
                rates.extend(tasks.iter().map(|_| TaskRates::UNKNOWN));
                continue;
            }
            let first = &mut self.first[at];
            let before = first.as_ref().map(|first| (first, &first.targets[at]));
            let same = before.filter(|(_, before)| before.process == target.process);
            let span = same.map(|(_, b)| target.known_until_ns.saturating_sub(b.known_until_ns));
            match (same, last, span) {
                (Some(_), Some(last), Some(..rates::MIN_SPAN_NS)) => {
                    rates.extend(carried(tasks, last, target, rates_there));
                    continue;
                }
                (Some((first, _)), _, Some(span)) => {
                    rates.extend(rates::between(tasks, of(first, target), Some(span)));
                }
                _ => rates.extend(rates::between(tasks, &[], None)),
            }
            *first = Some(Arc::clone(now));
            self.spans_ns[at] = span;
        }
        rates
    }

    /// Replaces the rates of each target by those since `first`, where they are known.
    pub(super) fn rates_since(&mut self, now: &Target, first: &Target, rates: &mut [TaskRates]) {
        for (at, target) in now.targets.iter().enumerate() {
            let before = first.targets.get(at).filter(|before| before.process == target.process);
            let span = before.map(|b| target.known_until_ns.saturating_sub(b.known_until_ns));
            let Some(span) = span.filter(|span| *span >= rates::MIN_SPAN_NS) else { continue };
            if !target.connection.is_live() {
                continue;
            }
            let tasks = of(now, target);
            let begin = now.tasks.partition_point(|task| task.key < target.keys.start);
            let since_first = rates::between(tasks, of(first, target), Some(span));
            rates[begin..begin + tasks.len()].copy_from_slice(&since_first);
            self.spans_ns[at] = Some(span);
        }
    }
}

/// The tasks of a target.
fn of<'a>(snapshot: &'a Target, target: &TargetFigures) -> &'a [TaskStats] {
    let place = |key: u64| snapshot.tasks.partition_point(|task| task.key < key);
    &snapshot.tasks[place(target.keys.start)..place(target.keys.end)]
}

/// The rates that these tasks had in the snapshot before.
fn carried<'a>(
    tasks: &'a [TaskStats],
    last: &'a Target,
    target: &TargetFigures,
    rates: &'a [TaskRates],
) -> impl Iterator<Item = TaskRates> + 'a {
    let begin = last.tasks.partition_point(|task| task.key < target.keys.start);
    let mut known = of(last, target).iter().zip(&rates[begin.min(rates.len())..]).peekable();
    tasks.iter().map(move |task| {
        while known.next_if(|(old, _)| old.key < task.key).is_some() {}
        let same = known.next_if(|(old, _)| old.key == task.key);
        same.map_or_else(TaskRates::default, |(_, rates)| *rates)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Losses, Model,
        testing::{snapshot, task},
    };

    const S: u64 = 1_000_000_000;

    fn target(nth: u64, process: u64, known_until_ns: u64) -> TargetFigures {
        TargetFigures {
            name: format!("t{nth}").into(),
            connection: Connection::Connected,
            process,
            keys: nth * 100..nth * 100 + 100,
            known_until_ns,
            tasks: 1,
            losses: Losses::default(),
        }
    }

    fn polled(key: u64, polls: u64) -> TaskStats {
        let mut task = task(key, "t");
        task.polls = polls;
        task
    }

    #[test]
    fn rates_hold_from_one_update_to_the_next() {
        let mut model = Model::default();
        let mut seen = Vec::new();
        for quarter in 0..12u64 {
            // One target counts at each second, the other half a second later.
            let (first, second) = (quarter / 4, (quarter + 2) / 4);
            let tasks = [polled(1, 100 * first), polled(101, 60 * second)];
            let mut now = snapshot(10 * S + quarter * S / 4, tasks);
            now.targets =
                vec![target(0, 1, (10 + first) * S), target(1, 1, (10 + second) * S - S / 2)];
            model.advance(now.into());
            seen.push((model.rates(0).polls, model.rates(1).polls));
        }
        assert!(seen[4..].iter().all(|rates| *rates == (100.0, 60.0)), "{seen:?}");
    }

    #[test]
    fn nobody_knows_the_rates_of_a_target_that_is_not_heard_of() {
        let mut model = Model::default();
        let mut seen = Vec::new();
        for second in 0..6u64 {
            let mut now = snapshot((10 + second) * S, [polled(1, 100 * second)]);
            now.targets = vec![target(0, 1, (10 + second) * S)];
            if second == 3 {
                now.targets[0].connection = Connection::Stale { since_ns: 12 * S };
            }
            model.advance(now.into());
            seen.push((model.rates(0).unknown, model.rates(0).polls));
        }
        assert_eq!(seen[2..], [(false, 100.0), (true, 0.0), (false, 100.0), (false, 100.0)]);
    }

    #[test]
    fn another_process_begins_anew() {
        let mut model = Model::default();
        for (process, key) in [(1, 1), (1, 1), (2, 2)] {
            let taken = (10 + key) * S;
            let mut now = snapshot(taken, [polled(key, 7)]);
            now.targets = vec![target(0, process, taken)];
            model.advance(now.into());
        }
        assert!(!model.rates(0).new, "all of them are, so none is worth a mark");
    }
}
