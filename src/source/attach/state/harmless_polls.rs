//! Long polls that block no worker themselves: those in `block_in_place`, and those of a `block_on`
//! that polls a task of its `LocalSet`.
//!
//! `block_in_place` hands the worker over to another thread, which shows as a new closure of the
//! blocking pool. Its spawn is an event, and a busy program reports events some updates late, so a
//! hand-over cannot be attributed to a poll in time. But the code that calls `block_in_place` does it
//! again: once a poll has handed its worker over, no poll of a task that was spawned at the same
//! place is reported. A poll of a multi-thread runtime is judged with the update after it.

use std::sync::Arc;

use super::{EndedPoll, Program, Table, TableEntry, Task};
use crate::snapshot::TaskKind;

impl Program {
    /// Attributes the hand-overs of this update, and releases the polls that can be judged.
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
        let blocks_worker = |poll: &EndedPoll| {
            let task = self.tasks.by_key(poll.task);
            task.is_none_or(|task| {
                !self.uses_block_in_place.contains(&task.meta.location)
                    && (poll.is_lower_bound || !runs_local_poll(&self.tasks, task))
            })
        };
        polls.retain(blocks_worker);
        self.new_polls.retain(blocks_worker);
        match self.has_workers {
            true => self.pending_polls.append(&mut self.new_polls),
            false => polls.append(&mut self.new_polls),
        }
        self.long_polls.append(&mut polls);
    }

    /// The running polls that do not block their worker themselves, as far as is known: key of the
    /// task, start on the local clock, and the reason.
    pub fn harmless_polls(&self) -> impl Iterator<Item = (u64, u64, &'static str)> {
        self.tasks.iter().filter_map(|task| {
            let began = task.running_poll()?;
            let reason = match () {
                () if self.uses_block_in_place.contains(&task.meta.location) => {
                    "possibly in block_in_place, which its code uses"
                }
                () if runs_local_poll(&self.tasks, task) => "polling a task of its LocalSet",
                () if self.has_workers && task.has_changed_in(self.updates) => {
                    "judged with the next update, which may report block_in_place"
                }
                () => return None,
            };
            Some((task.key(), began, reason))
        })
    }
}

/// Whether the latest poll of a `block_on` consists mostly of the poll of a task on its `LocalSet`.
fn runs_local_poll(tasks: &Table<Task>, block_on: &Task) -> bool {
    let is_inside =
        |task: &Task| task.meta.kind == TaskKind::Local && block_on.consists_of_poll_of(task);
    block_on.meta.kind == TaskKind::BlockOn && tasks.iter().any(is_inside)
}
