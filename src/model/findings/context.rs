//! What rules examine.

use std::{cell::OnceCell, sync::Arc};

use super::{AffectedTask, GroupCount, Rule, RuleId, Thresholds, names::display_name};
use crate::{
    model::{
        ImpactTable, LongPollEntry, MachineLoad, SchedulingDelay, Slowdown, TaskRates, WorkerRow,
        base::span_ns,
    },
    snapshot::{CurrentPoll, FieldId, LongPoll, State, Target, TaskStats, WorkerStats},
};

/// Those that wait longest: this many are named.
const NAMED: usize = 5;

/// A moment: the snapshot, what the model made of it, and what was before.
#[derive(Debug)]
pub(in crate::model) struct RuleContext<'a> {
    pub target: &'a Target,
    /// Long polls that are new, or have changed, since the previous sample.
    pub new_long_polls: &'a [Arc<LongPoll>],
    /// Of each task, in the snapshot's order.
    pub rates: &'a [TaskRates],
    pub workers: &'a [WorkerRow],
    /// The groups with living tasks, or some that ended lately.
    pub groups: &'a [GroupCount<'a>],
    /// What rates are taken against.
    pub base: Option<&'a Target>,
    /// When the previous sample was taken, if there is one.
    pub before_ns: Option<u64>,
    pub slowdown: &'a Slowdown,
    pub scheduling_delay: &'a SchedulingDelay,
    /// The long polls of the last minute.
    pub impact_table: &'a ImpactTable,
    /// CPU supply over the last seconds, where it is known.
    pub machine: Option<&'a MachineLoad>,
    pub thresholds: &'a Thresholds,
    /// Whether each worker is in a long poll, once somebody has asked.
    pub all_held: OnceCell<bool>,
    /// When the last moment was at which each worker was in a long poll, once it is needed.
    pub all_held_until: OnceCell<u64>,
}

impl RuleContext<'_> {
    pub(super) fn now(&self) -> u64 {
        self.target.taken_ns
    }

    /// The threshold of a rule; `u64::MAX` if it is off.
    pub(super) fn threshold(&self, rule: RuleId) -> u64 {
        self.thresholds.get(rule).unwrap_or(u64::MAX)
    }

    /// How long a poll is at least that delays other tasks for a reason of its own.
    fn blocked_ns(&self) -> u64 {
        self.threshold(RuleId::WorkerHeld).min(100_000_000)
    }

    /// Whether a rule is switched on and the target has what it needs.
    pub(super) fn evaluates(&self, rule: &Rule) -> bool {
        self.thresholds.get(rule.id).is_some()
            && rule.unavailable(&self.target.description).is_none()
    }

    /// The time over which rates are taken, in seconds.
    pub(super) fn span(&self) -> Option<f64> {
        let span_ns = span_ns(self.base?, self.target);
        (span_ns > 0).then_some(span_ns as f64 / 1e9)
    }

    /// The workers whose busy share is known, and the share.
    pub(super) fn busy_shares(&self) -> impl Iterator<Item = (&WorkerStats, f64)> {
        self.workers.iter().filter_map(|worker| Some((&worker.stats, worker.busy?)))
    }

    /// The task with this key.
    pub(super) fn task(&self, key: u64) -> Option<&TaskStats> {
        self.target.task(key)
    }

    /// What is known of the poll of a task that began then.
    pub(super) fn evidence(&self, key: u64, began_ns: u64) -> Option<&Arc<LongPoll>> {
        let same = |e: &&Arc<LongPoll>| e.task == key && e.began_ns == began_ns;
        self.target.long_polls.iter().find(same)
    }

    /// How long a poll has blocked its worker, in nanoseconds, less the time without a CPU. With a
    /// watchdog, only time that it has sampled counts.
    pub(super) fn net_ns(&self, length_ns: u64, evidence: Option<&Arc<LongPoll>>) -> u64 {
        match evidence.and_then(|evidence| evidence.net_ns) {
            Some(net_ns) => net_ns,
            None if self.target.description.has(FieldId::LongPolls) => 0,
            None => length_ns,
        }
    }

    /// Whether the machine gave the workers so little CPU that `machine-overloaded` fires.
    pub(super) fn is_machine_overloaded(&self) -> bool {
        let rule = RuleId::MachineOverloaded;
        let percent = self.machine.map(|machine| (machine.largest_share() * 100.0) as u64);
        percent
            .zip(self.thresholds.get(rule).or(Some(rule.rule().default)))
            .is_some_and(|(of, at)| of >= at)
    }

    /// Whether each worker is in a long poll: then everything else is a consequence. Where
    /// nothing is known of workers, one long poll may be on the only one.
    pub(super) fn all_held(&self) -> bool {
        *self.all_held.get_or_init(|| self.are_all_held())
    }

    fn are_all_held(&self) -> bool {
        let blocked_ns = self.blocked_ns();
        if self.target.workers.is_empty() {
            let polling = self.target.tasks.iter().filter(|t| t.state == State::Polling);
            let mut spawned = polling.filter(|task| !task.meta.kind.may_block());
            return spawned.any(|task| task.lasts_ns(self.now()) >= blocked_ns);
        }
        let polls = self.target.workers.iter().map(|worker| worker.current.as_ref());
        let mut held = polls.map(|poll| poll.is_some_and(|p| self.lasts_ns(p) >= blocked_ns));
        held.all(|held| held)
    }

    /// The last moment at which each worker was in one of the long polls of the last minute, on
    /// the source's clock; 0 if there was none, or workers are not known.
    pub(super) fn all_held_until_ns(&self) -> u64 {
        *self.all_held_until.get_or_init(|| {
            let workers = &self.target.workers;
            let of_worker = |index| {
                let is_of = move |entry: &&LongPollEntry| entry.evidence.worker == Some(index);
                self.impact_table.entries().filter(is_of)
            };
            let covers = |poll: &LongPollEntry, end_ns| {
                poll.evidence.began_ns < end_ns && end_ns <= poll.end_ns()
            };
            let is_held = |index, end_ns| of_worker(index).any(|poll| covers(poll, end_ns));
            // The moment is the end of a poll: until then that worker was in it.
            let ends = workers
                .iter()
                .flat_map(|worker| of_worker(worker.index))
                .map(LongPollEntry::end_ns);
            let all_held = |end_ns: &u64| workers.iter().all(|w| is_held(w.index, *end_ns));
            ends.filter(all_held).max().unwrap_or(0)
        })
    }

    /// How long a worker has been in its current poll.
    fn lasts_ns(&self, poll: &CurrentPoll) -> u64 {
        self.target.running_ns(poll.since_ns, self.now())
    }

    /// The name of a task in a sentence, with its id where the name repeats.
    pub(super) fn name(&self, task: &TaskStats) -> String {
        display_name(task.key, &task.meta, &self.target.tasks, self.groups)
    }

    /// A worker that is in a long poll, and the task.
    pub(super) fn held(&self) -> Option<(usize, &TaskStats)> {
        self.target.workers.iter().find_map(|worker| {
            let poll = worker.current.as_ref()?;
            let is_long = self.lasts_ns(poll) >= self.blocked_ns();
            Some((worker.index, self.task(poll.key).filter(|_| is_long)?))
        })
    }

    /// Who waits for a worker, those that wait longest first, and how many in all.
    pub(super) fn affected_tasks(&self) -> (Vec<AffectedTask>, usize) {
        let ready = self.target.tasks.iter().filter(|task| task.state == State::Scheduled);
        let mut longest: Vec<&TaskStats> = ready.collect();
        let total = longest.len();
        longest.sort_unstable_by_key(|task| (task.since_ns, task.key));
        longest.truncate(NAMED);
        let affected = |task: &TaskStats| AffectedTask {
            task: task.key,
            name: task.meta.name.clone(),
            delay_ns: task.lasts_ns(self.now()),
        };
        (longest.into_iter().map(affected).collect(), total)
    }
}
