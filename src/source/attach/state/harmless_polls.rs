//! Long polls that block no worker themselves: those in `block_in_place`, those of a `block_on` that
//! polls a task of its `LocalSet`, and those of a `block_on` on a thread that runs no other task.
//!
//! `block_in_place` hands the worker over to another thread, which shows as a new closure of the
//! blocking pool. Its spawn is an event, and a busy program reports events some updates late, so a
//! hand-over cannot be attributed to a poll in time. But the code that calls `block_in_place` does it
//! again: once a poll has handed its worker over, no poll of a task that was spawned at the same
//! place is reported. A poll of a multi-thread runtime is judged with the update after it.

use std::sync::Arc;

use super::{EndedPoll, Program, Table, TableEntry, Task, meta::is_worker};
use crate::{snapshot::TaskKind, source::attach::clock::Moment, text::plural};

/// A running poll that does not block its worker itself, as far as is known.
#[derive(Clone, Copy, Debug)]
pub struct HarmlessPoll {
    /// The task's key.
    pub task: u64,
    /// Start of the poll, on the local clock.
    pub began_ns: u64,
    pub reason: &'static str,
}

impl Program {
    /// Attributes the hand-overs of this update, releases the polls that can be judged, and lists
    /// the running polls that are harmless.
    pub(super) fn settle_polls(&mut self) {
        let mut polls = std::mem::take(&mut self.pending_polls);
        for at in std::mem::take(&mut self.hand_overs) {
            // The hand-over was in the latest poll that was running: it begins `block_in_place`.
            let local = self.offset.to_local(at).max(0).unsigned_abs();
            let ended = polls.iter().chain(&self.new_polls).filter(|poll| poll.contains(local));
            let ended =
                ended.filter_map(|poll| Some((poll.began_ns, self.tasks.by_key(poll.task)?)));
            let polled = self.tasks.iter().filter(|task| !task.meta.kind.may_block());
            let latest = polled.filter_map(|task| Some((task.poll_at(at)?, task)));
            if let Some((_, task)) = latest.chain(ended).max_by_key(|(began, _)| *began) {
                self.uses_block_in_place.insert(Arc::clone(&task.meta.location));
            }
        }
        let local = LocalPolls::new(&self.tasks);
        // A multi-thread runtime has workers for its tasks: there, each `block_on` is alone.
        let has_own_workers = self.has_workers && !self.has_local_tasks;
        let closures = (!has_own_workers).then(|| ClosurePolls::new(&self.tasks));
        let is_alone = |task: &Task| {
            task.meta.kind == TaskKind::BlockOn
                && closures.as_ref().is_none_or(|closures| closures.contain(task))
        };
        let blocks_worker = |poll: &EndedPoll| {
            let task = self.tasks.by_key(poll.task);
            task.is_none_or(|task| {
                !self.uses_block_in_place.contains(&task.meta.location)
                    && !is_alone(task)
                    && (poll.is_lower_bound || !local.fill_poll_of(task))
            })
        };
        polls.retain(blocks_worker);
        self.new_polls.retain(blocks_worker);
        let reason = |task: &Task| {
            if self.uses_block_in_place.contains(&task.meta.location) {
                Some("possibly in block_in_place, which its code uses")
            } else if is_alone(task) {
                Some("a block_on on a thread that runs no other task")
            } else if local.fill_poll_of(task) {
                Some("polling a task of its LocalSet")
            } else if self.has_workers && task.has_changed_in(self.updates) {
                Some("judged with the next update, which may report block_in_place")
            } else {
                None
            }
        };
        let harmless = self.tasks.iter().filter_map(|task| {
            let began_ns = task.running_poll()?;
            Some(HarmlessPoll { task: task.key(), began_ns, reason: reason(task)? })
        });
        self.harmless_polls = harmless.collect();
        match self.has_workers {
            true => self.pending_polls.append(&mut self.new_polls),
            false => polls.append(&mut self.new_polls),
        }
        self.long_polls.append(&mut polls);
    }

    /// Why long polls are missing: those of code that uses `block_in_place` are not reported, whether they
    /// call it or not.
    pub(super) fn unjudged_polls(&self) -> Option<Arc<str>> {
        let first = self.uses_block_in_place.iter().min()?;
        let more = match self.uses_block_in_place.len() {
            1 => String::new(),
            n => format!(" and {}", plural(n as u64 - 1, "other place")),
        };
        let tasks = format!("tasks spawned at {first}{more}");
        Some(format!("long polls of {tasks} are not reported: they use block_in_place").into())
    }

    /// The running polls that do not block their worker themselves.
    pub fn harmless_polls(&self) -> &[HarmlessPoll] {
        &self.harmless_polls
    }
}

/// The polls of tasks on a `LocalSet`, which are inside polls of a `block_on`.
struct LocalPolls<'a> {
    tasks: Vec<&'a Task>,
    /// The latest start of a running poll.
    latest_running: Option<Moment>,
}

impl<'a> LocalPolls<'a> {
    fn new(tasks: &'a Table<Task>) -> Self {
        let tasks: Vec<_> = tasks.iter().filter(|task| task.meta.kind == TaskKind::Local).collect();
        let latest_running = tasks.iter().filter_map(|task| task.running_since()).max();
        LocalPolls { tasks, latest_running }
    }

    /// Whether the latest poll of a `block_on` consists mostly of them.
    fn fill_poll_of(&self, block_on: &Task) -> bool {
        block_on.meta.kind == TaskKind::BlockOn
            && match block_on.running_since() {
                Some(since) => self.latest_running.is_some_and(|latest| latest >= since),
                None => block_on.consisted_of_polls_of(self.tasks.iter().copied()),
            }
    }
}

/// The latest poll of each closure of the blocking pool. A `Handle::block_on` in it polls only its
/// own future.
struct ClosurePolls {
    /// Starts, ascending, each with the latest end of the polls up to it.
    began: Vec<(Moment, Moment)>,
}

impl ClosurePolls {
    fn new(tasks: &Table<Task>) -> Self {
        let closures = tasks.iter().filter(|task| task.meta.kind == TaskKind::Blocking);
        let closures = closures.filter(|closure| !is_worker(&closure.meta));
        let mut began: Vec<_> = closures.filter_map(Task::latest_poll).collect();
        began.sort_unstable();
        let mut latest = Moment::MIN;
        for (_, ended) in &mut began {
            latest = latest.max(*ended);
            *ended = latest;
        }
        ClosurePolls { began }
    }

    /// Whether a task was spawned in one of them, and ended in it if that poll has ended.
    fn contain(&self, task: &Task) -> bool {
        let (spawned, ended) = task.lifetime();
        let before = self.began.partition_point(|(began, _)| *began <= spawned);
        before > 0 && self.began[before - 1].1 >= ended
    }
}
