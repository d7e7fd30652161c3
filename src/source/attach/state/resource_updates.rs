//! Applies the parts of an update about resources and the operations on them.

use std::collections::{HashMap, HashSet};

use super::{
    Program,
    resources::{AsyncOp, Resource},
    table::{Table, TableEntry},
};
use crate::source::attach::{
    clock::{Moment, moment},
    envelope::{Envelope, Malformed, Part},
    limits,
};

impl Program {
    pub(super) fn apply_resources(
        &mut self,
        envelope: &Envelope<'_>,
        events: &mut u64,
    ) -> Result<(), Malformed> {
        let mut announced = HashMap::new();
        envelope.resources(|part| match part {
            Part::Resource(message) if announced.len() < limits::RESOURCES => {
                *events += 1;
                let resource = Resource::new(&message, &mut self.texts);
                announced.insert(resource.id(), resource);
            }
            Part::ResourceStats(id, stats) => {
                let (created, new) = (moment(stats.created_at), announced.remove(&id));
                if let Some(resource) =
                    get_or_add(&mut self.resources, id, created, new, self.latest.at)
                {
                    resource.apply(&stats, &mut self.texts);
                }
            }
            Part::Dropped(count) => self.count_dropped(count),
            other => self.count_missing(&other),
        })?;
        for (id, new) in announced {
            get_or_add(&mut self.resources, id, 0, Some(new), self.latest.at);
        }
        let mut announced = HashMap::new();
        // The operations of this update that return owned guards, also those that have ended.
        let mut owned = HashSet::new();
        envelope.async_ops(|part| match part {
            Part::AsyncOp(message) if announced.len() < limits::RESOURCES => {
                *events += 1;
                let op = AsyncOp::new(&message, &mut self.texts);
                if op.returns_owned_guard() {
                    owned.insert(op.id());
                }
                announced.insert(op.id(), op);
            }
            Part::AsyncOpStats(id, stats) => {
                let created = moment(stats.created_at);
                let mut new: Option<AsyncOp> = announced.remove(&id);
                // An operation that has ended is not kept. A known one may be announced again.
                let known = self.async_ops.get(id).filter(|op| op.ended() == 0);
                let is_known = known.is_some_and(|op| op.was_created_at(created));
                let either = new.as_ref().or(known);
                let is_guard_owned = either.is_some_and(|op| self.is_owned(op, &owned));
                if is_guard_owned {
                    owned.insert(id);
                }
                let is_past = stats.dropped_at.is_some() && new.is_some() && !is_known;
                let op = match is_past {
                    true => new.as_mut(),
                    false => get_or_add(&mut self.async_ops, id, created, new, self.latest.at),
                };
                let Some(op) = op else { return };
                op.apply(&stats, &mut self.texts);
                let (task, resource) = (op.task, op.resource);
                if op.ended() > 0 {
                    let resource = resource.and_then(|id| self.resources.get_mut(id));
                    resource
                        .into_iter()
                        .for_each(|resource| resource.operation_ended(op, is_guard_owned));
                } else {
                    self.count_unknown(task);
                }
            }
            Part::Dropped(count) => self.count_dropped(count),
            other => self.count_missing(&other),
        })?;
        for (id, new) in announced {
            get_or_add(&mut self.async_ops, id, 0, Some(new), self.latest.at);
        }
        envelope.poll_ops(|part| {
            *events += 1;
            self.apply_poll(part, &owned);
        })?;
        self.release_free();
        Ok(())
    }

    /// Forgets who acquired the resources that are free now: releases are not reported.
    fn release_free(&mut self) {
        let free = self.resources.iter().filter(|resource| resource.is_known_to_be_free());
        let free: HashSet<u64> = free.map(TableEntry::id).collect();
        for resource in self.resources.iter_mut().filter(|resource| resource.holder.is_some()) {
            let is_part_of_free = resource.parent.is_some_and(|parent| free.contains(&parent));
            if is_part_of_free || free.contains(&resource.id()) {
                resource.release();
            }
        }
    }

    /// Whether an operation, or the one that contains it, returns an owned guard. `owned` are those of
    /// this update.
    fn is_owned(&self, op: &AsyncOp, owned: &HashSet<u64>) -> bool {
        op.returns_owned_guard()
            || op.parent.is_some_and(|id| {
                let whole = self.async_ops.get(id);
                owned.contains(&id) || whole.is_some_and(AsyncOp::returns_owned_guard)
            })
    }

    fn apply_poll(&mut self, part: Part, owned: &HashSet<u64>) {
        let poll = match part {
            Part::PollOp(poll) => poll,
            other => return self.count_missing(&other),
        };
        let (op, task) = (poll.async_op_id.map(|id| id.id), poll.task_id.map(|id| id.id));
        let known = op.and_then(|id| self.async_ops.get(id));
        let is_guard_owned = op.is_some_and(|id| owned.contains(&id))
            || known.is_some_and(|op| self.is_owned(op, owned));
        if let Some(op) = op.and_then(|id| self.async_ops.get_mut(id)) {
            op.is_ready = Some(poll.is_ready);
            op.task = task.or(op.task);
        }
        let resource = poll.resource_id.and_then(|id| self.resources.get_mut(id.id));
        if let Some(resource) = resource.filter(|_| poll.is_ready) {
            // Since the previous update. The end of the operation, if it was reported, is more exact.
            let known = if resource.holder == task { resource.held_since } else { 0 };
            let since = if self.previous.at > 0 { self.previous.at } else { self.latest.at };
            resource.acquired_by(task, known.max(since), is_guard_owned);
        }
        self.count_unknown(task);
    }
}

/// The entry with this id and time of creation: the known one, or the announced one, which is
/// added. An older entry with the same id ends.
fn get_or_add<T: TableEntry>(
    table: &mut Table<T>,
    id: u64,
    created: Moment,
    new: Option<T>,
    now: Moment,
) -> Option<&mut T> {
    let known = table.get_mut(id).filter(|known| known.ended() == 0);
    let is_same = known.is_some_and(|known| {
        let is_same = created == 0 || known.was_created_at(created);
        if !is_same {
            known.end(now);
        }
        is_same
    });
    if is_same { table.get_mut(id) } else { table.push(new?) }
}
