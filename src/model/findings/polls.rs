//! The polls that rules check: running ones, and those that ended since the previous snapshot.

use std::{collections::HashMap, sync::Arc};

use super::RuleContext;
use crate::{
    snapshot::{Cause, FieldId, LongPoll, PollKind, State, TaskStats},
    text::duration,
};

/// A poll that is running, or that ended since the previous snapshot.
pub(super) struct Poll<'a> {
    pub task: &'a TaskStats,
    pub kind: PollKind,
    /// The worker; `None` if it is unknown.
    pub worker: Option<usize>,
    pub began_ns: u64,
    pub length_ns: u64,
    pub evidence: Option<&'a Arc<LongPoll>>,
}

impl Poll<'_> {
    pub(super) fn has_ended(&self) -> bool {
        self.evidence.is_some_and(|evidence| evidence.is_ended)
    }

    /// The length minus the time without a CPU, with that time if it is relevant.
    pub(super) fn length(&self) -> String {
        let without_ns = self.evidence.map_or(0, |evidence| evidence.without_cpu.total_ns());
        let length = duration(self.length_ns.saturating_sub(without_ns));
        let length = match self.evidence.is_some_and(|evidence| evidence.is_lower_bound) {
            true => format!("at least {length}"),
            false => length,
        };
        with_deduction(length, self.evidence)
    }

    /// The time that the task has blocked its worker, in nanoseconds; 0 if the task may block.
    pub(super) fn net_ns(&self, ctx: &RuleContext<'_>) -> u64 {
        match self.task.meta.kind.may_block() {
            true => 0,
            false => ctx.net_ns(self.length_ns, self.evidence).max(self.unsampled_ns(ctx)),
        }
    }

    /// The length of a running poll that the watchdog should have sampled and has not, because it
    /// or the whole machine was busy. The poll counts if it was a second old at the previous
    /// snapshot.
    fn unsampled_ns(&self, ctx: &RuleContext<'_>) -> u64 {
        let is_recent = |evidence: &&Arc<LongPoll>| evidence.length_ns >= self.length_ns / 2;
        let sampled = self.evidence.filter(is_recent).is_some_and(|e| e.net_ns.is_some());
        let due_ns = self.began_ns.saturating_add(1_000_000_000);
        let was_due = ctx.previous_ns.is_some_and(|at| at >= due_ns);
        if was_due && !sampled && !self.has_ended() { self.length_ns } else { 0 }
    }

    /// The evidence of a finding; of a running poll of a source without stacks, the reason why its
    /// cause is not known.
    pub(super) fn evidence(&self, ctx: &RuleContext<'_>) -> Option<Arc<LongPoll>> {
        self.evidence.cloned().or_else(|| {
            let reason = ctx.target.description.reason(FieldId::LongPolls)?;
            Some(Arc::new(LongPoll {
                kind: self.kind,
                worker: self.worker,
                is_ended: false,
                cause: Cause::Unknown(reason.to_owned().into()),
                no_stack: Some("not reported".into()),
                net_ns: None,
                ..LongPoll::computing(self.task.key, self.began_ns, self.length_ns)
            }))
        })
    }

    /// `, sleeping in hog::spin`: the cause and the function, if a stack was captured.
    pub(super) fn cause(&self) -> String {
        self.evidence.map(|evidence| cause(evidence)).unwrap_or_default()
    }
}

/// `, sleeping in hog::spin`; empty without a stack.
pub(super) fn cause(evidence: &LongPoll) -> String {
    let function = evidence.function();
    function.map(|function| format!(", {} in {function}", evidence.cause)).unwrap_or_default()
}

/// The length and the deducted time, if it is relevant: `1.20s (and 300ms without a CPU)`.
pub(super) fn with_deduction(length: String, evidence: Option<&Arc<LongPoll>>) -> String {
    match evidence.and_then(|evidence| evidence.deducted_ns()) {
        Some(without_ns) => format!("{length} (and {} without a CPU)", duration(without_ns)),
        None => length,
    }
}

/// The polls that a rule has counted: the start of the latest one of each task.
#[derive(Clone, Debug, Default)]
pub(super) struct CountedPolls(HashMap<u64, u64>);

impl CountedPolls {
    /// Forgets tasks that are no longer listed.
    pub(super) fn forget_ended_tasks(&mut self, ctx: &RuleContext<'_>) {
        self.0.retain(|key, _| ctx.target.task(*key).is_some());
    }

    /// Counts a poll; `false` if it or a later poll of its task has been counted before.
    pub(super) fn insert(&mut self, poll: &Poll<'_>) -> bool {
        let last = self.0.get(&poll.task.key);
        let is_new = last.is_none_or(|last| *last < poll.began_ns);
        if is_new {
            self.0.insert(poll.task.key, poll.began_ns);
        }
        is_new
    }
}

/// The running polls and, if a watchdog or a connection reports them, the polls that ended since
/// the previous snapshot; sorted by start.
pub(super) fn polls<'a>(ctx: &'a RuleContext<'_>) -> Vec<Poll<'a>> {
    let now = ctx.now();
    let on_workers = ctx.target.workers.iter().filter_map(|worker| {
        let current = worker.current.as_ref()?;
        let length_ns = now.saturating_sub(current.since_ns);
        let task = ctx.target.task(current.key)?;
        Some((task, current.kind, Some(worker.index), current.since_ns, length_ns))
    });
    let mut running: Vec<_> = on_workers.collect();
    // Polls on threads that are not workers, and of sources that report no workers.
    for task in &ctx.target.tasks {
        let kind = match task.state {
            State::Polling => PollKind::Poll,
            State::Dropping => PollKind::Drop,
            _ => continue,
        };
        if !running.iter().any(|(listed, ..)| listed.key == task.key) {
            running.push((task, kind, None, task.since_ns, task.time_in_state_ns(now)));
        }
    }
    let mut polls: Vec<_> = running
        .into_iter()
        .map(|(task, kind, worker, began_ns, length_ns)| Poll {
            task,
            kind,
            worker,
            began_ns,
            length_ns,
            evidence: ctx.evidence(task.key, began_ns),
        })
        .collect();
    let ended = ctx.new_long_polls.iter().filter(|poll| poll.is_ended);
    polls.extend(ended.filter_map(|evidence| {
        let task = ctx.target.task(evidence.task)?;
        let (began_ns, length_ns) = (evidence.began_ns, evidence.length_ns);
        let (worker, kind) = (evidence.worker, evidence.kind);
        Some(Poll { task, kind, worker, began_ns, length_ns, evidence: Some(evidence) })
    }));
    // `CountedPolls` regards a poll that began before a counted one as counted.
    polls.sort_by_key(|poll| poll.began_ns);
    polls
}
