//! The input of rules: a sample, and the statistics that the model derived from it.

use std::{cell::OnceCell, sync::Arc};

use super::{
    AffectedTask, GroupCount, Rule, RuleId, Thresholds,
    fix::fix_for,
    names::display_name,
    waits::{ContendedResource, contended_resources},
};
use crate::{
    model::{
        ImpactTable, LongPollEntry, MachineLoad, SchedulingDelay, Slowdown, TaskRates, WorkerRow,
        base::span_ns,
    },
    snapshot::{CurrentPoll, FieldId, LongPoll, State, Target, TaskStats, WorkerStats},
};

/// Maximum number of affected tasks that a finding names.
const MAX_NAMED: usize = 5;

/// The input of rules for one sample.
#[derive(Debug)]
pub(in crate::model) struct RuleContext<'a> {
    pub target: &'a Target,
    /// Long polls that are new, or have changed, since the previous sample.
    pub new_long_polls: &'a [Arc<LongPoll>],
    /// One per task, in the order of the sample.
    pub rates: &'a [TaskRates],
    pub workers: &'a [WorkerRow],
    /// The groups of all tasks in the sample.
    pub groups: &'a [GroupCount<'a>],
    /// The base of the rates.
    pub base: Option<&'a Target>,
    /// When the previous sample was taken, if there is one.
    pub previous_ns: Option<u64>,
    pub slowdown: &'a Slowdown,
    pub scheduling_delay: &'a SchedulingDelay,
    /// The long polls of the last minute.
    pub impact_table: &'a ImpactTable,
    /// The CPU time that the workers lacked over the last seconds, if it is known.
    pub machine: Option<&'a MachineLoad>,
    pub thresholds: &'a Thresholds,
    /// Whether each worker is in a long poll; computed on first use.
    pub all_blocked: OnceCell<bool>,
    /// The last moment at which each worker was in a long poll; computed on first use.
    pub all_blocked_until: OnceCell<u64>,
    /// The resources for which tasks wait; computed on first use.
    pub contended_resources: OnceCell<Vec<ContendedResource<'a>>>,
}

impl<'a> RuleContext<'a> {
    pub(super) fn now(&self) -> u64 {
        self.target.taken_ns
    }

    /// Whether the statistics are current, or else newer than the previous sample: then they are the last
    /// ones of a target that has disconnected.
    pub(super) fn is_current(&self) -> bool {
        let is_new = |previous_ns| self.target.known_until_ns > previous_ns;
        self.target.connection.is_live() || self.previous_ns.is_none_or(is_new)
    }

    /// The threshold of a rule; `u64::MAX` if it is off.
    pub(super) fn threshold(&self, rule: RuleId) -> u64 {
        self.thresholds.get(rule).unwrap_or(u64::MAX)
    }

    /// Minimum length of a poll that explains the delay of other tasks.
    fn min_block_ns(&self) -> u64 {
        self.threshold(RuleId::WorkerHeld).min(100_000_000)
    }

    /// Whether a rule is on and the target has the fields that it needs.
    pub(super) fn evaluates(&self, rule: &Rule) -> bool {
        self.thresholds.get(rule.id).is_some()
            && rule.unavailable(&self.target.description).is_none()
    }

    /// The time that rates cover, in seconds.
    pub(super) fn span_s(&self) -> Option<f64> {
        let span_ns = span_ns(self.base?, self.target);
        (span_ns > 0).then_some(span_ns as f64 / 1e9)
    }

    /// The resources for which tasks wait, in the order of their keys.
    pub(super) fn contended_resources(&self) -> &[ContendedResource<'a>] {
        self.contended_resources.get_or_init(|| contended_resources(self.target))
    }

    /// The workers with a known busy share, and the share.
    pub(super) fn busy_shares(&self) -> impl Iterator<Item = (&WorkerStats, f64)> {
        self.workers.iter().filter_map(|worker| Some((&worker.stats, worker.busy?)))
    }

    /// The long poll of a task that began at `began_ns`.
    pub(super) fn evidence(&self, key: u64, began_ns: u64) -> Option<&Arc<LongPoll>> {
        let same = |e: &&Arc<LongPoll>| e.task == key && e.began_ns == began_ns;
        self.target.long_polls.iter().find(same)
    }

    /// The time that a poll has blocked its worker, in nanoseconds: its length minus the time
    /// without a CPU. With a watchdog, only time that it has sampled counts.
    pub(super) fn net_ns(&self, length_ns: u64, evidence: Option<&Arc<LongPoll>>) -> u64 {
        match evidence.and_then(|evidence| evidence.net_ns) {
            Some(net_ns) => net_ns,
            None if self.target.description.has(FieldId::LongPolls) => 0,
            None => length_ns,
        }
    }

    /// Whether the workers lack so much CPU that `machine-overloaded` fires.
    pub(super) fn is_machine_overloaded(&self) -> bool {
        let rule = RuleId::MachineOverloaded;
        let percent = self.machine.map(|machine| (machine.largest_share() * 100.0) as u64);
        percent
            .zip(self.thresholds.get(rule).or(Some(rule.rule().default)))
            .is_some_and(|(percent, threshold)| percent >= threshold)
    }

    /// Whether each worker is in a long poll: then other findings are consequences. If the workers
    /// are unknown, one long poll may be on the only one.
    pub(super) fn all_workers_blocked(&self) -> bool {
        *self.all_blocked.get_or_init(|| self.compute_all_blocked())
    }

    fn compute_all_blocked(&self) -> bool {
        let min_ns = self.min_block_ns();
        if self.target.workers.is_empty() {
            let polling = self.target.tasks.iter().filter(|t| t.state == State::Polling);
            let mut spawned = polling.filter(|task| !task.meta.kind.may_block());
            return spawned.any(|task| {
                // A poll that blocks no worker is known to have a net length of 0.
                let known_ns = self.evidence(task.key, task.since_ns).and_then(|poll| poll.net_ns);
                known_ns.unwrap_or_else(|| task.time_in_state_ns(self.now())) >= min_ns
            });
        }
        let polls = self.target.workers.iter().map(|worker| worker.current.as_ref());
        let mut blocked = polls.map(|poll| poll.is_some_and(|p| self.length_ns(p) >= min_ns));
        blocked.all(|is_blocked| is_blocked)
    }

    /// The last moment at which each worker was in one of the long polls of the last minute, on the
    /// target's clock; 0 if there was none or the workers are unknown.
    pub(super) fn all_blocked_until_ns(&self) -> u64 {
        *self.all_blocked_until.get_or_init(|| {
            let workers = &self.target.workers;
            let of_worker = |index| {
                let is_of = move |entry: &&LongPollEntry| entry.evidence.worker == Some(index);
                self.impact_table.entries().filter(is_of)
            };
            let covers = |poll: &LongPollEntry, end_ns| {
                poll.evidence.began_ns < end_ns && end_ns <= poll.end_ns()
            };
            let is_blocked = |index, end_ns| of_worker(index).any(|poll| covers(poll, end_ns));
            // That moment is the end of a poll.
            let polls = workers.iter().flat_map(|worker| of_worker(worker.index));
            let all_blocked = |end_ns: &u64| workers.iter().all(|w| is_blocked(w.index, *end_ns));
            polls.map(LongPollEntry::end_ns).filter(all_blocked).max().unwrap_or(0)
        })
    }

    /// The fix for a long poll of a task of this group: see [`fix_for`].
    pub(super) fn fix_for(
        &self,
        evidence: Option<&Arc<LongPoll>>,
        group: &str,
        rule: &Rule,
    ) -> &'static str {
        fix_for(evidence.map(|evidence| &**evidence), self.impact_table.of_group(group), rule)
    }

    /// The length of a current poll, in nanoseconds.
    fn length_ns(&self, poll: &CurrentPoll) -> u64 {
        self.target.running_ns(poll.since_ns, self.now())
    }

    /// The name of a task in a sentence, with its id if another task has that name.
    pub(super) fn name(&self, task: &TaskStats) -> String {
        display_name(task.key, &task.meta, &self.target.tasks, self.groups)
    }

    /// A worker in a long poll, and the task that it polls. On an overloaded machine, only polls
    /// that are long without the time for which they had no CPU.
    pub(super) fn blocked_worker(&self) -> Option<(usize, &TaskStats)> {
        self.target.workers.iter().find_map(|worker| {
            let poll = worker.current.as_ref()?;
            let length_ns = self.length_ns(poll);
            let blocked_ns = match self.is_machine_overloaded() {
                true => self.net_ns(length_ns, self.evidence(poll.key, poll.since_ns)),
                false => length_ns,
            };
            let is_long = blocked_ns >= self.min_block_ns();
            Some((worker.index, self.target.task(poll.key).filter(|_| is_long)?))
        })
    }

    /// The runnable tasks with the longest delays, longest first, and the number of all of them.
    pub(super) fn affected_tasks(&self) -> (Vec<AffectedTask>, usize) {
        let runnable = self.target.tasks.iter().filter(|task| task.is_runnable());
        let mut longest: Vec<&TaskStats> = runnable.collect();
        let total = longest.len();
        longest.sort_unstable_by_key(|task| (task.since_ns, task.key));
        longest.truncate(MAX_NAMED);
        let affected = |task: &TaskStats| AffectedTask {
            task: task.key,
            name: task.meta.name.clone(),
            delay_ns: task.time_in_state_ns(self.now()),
        };
        (longest.into_iter().map(affected).collect(), total)
    }
}
