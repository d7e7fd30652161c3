//! How an update changes what is known of resources and of the operations on them.

use std::collections::HashMap;

use super::{
    Program,
    table::{Entry, Table},
    waits::{AsyncOp, Resource, Wait},
};
use crate::source::attach::{
    clock::{Moment, moment},
    envelope::{Envelope, Malformed, Part},
    limits,
};

impl Program {
    pub(super) fn take_waits(
        &mut self,
        envelope: &Envelope<'_>,
        events: &mut u64,
    ) -> Result<(), Malformed> {
        let mut announced = HashMap::new();
        envelope.resources(|part| match part {
            Part::Resource(wire) if announced.len() < limits::RESOURCES => {
                *events += 1;
                let resource = Resource::new(&wire, &mut self.texts);
                announced.insert(resource.id(), resource);
            }
            Part::ResourceStats(id, stats) => {
                let (made, new) = (moment(stats.created_at), announced.remove(&id));
                if let Some(resource) = settle(&mut self.resources, id, made, new, self.written.at)
                {
                    resource.take(&stats, &mut self.texts);
                }
            }
            Part::Dropped(count) => self.dropped(count),
            _ => self.refuse(),
        })?;
        for (id, new) in announced {
            settle(&mut self.resources, id, 0, Some(new), self.written.at);
        }
        let mut announced = HashMap::new();
        envelope.async_ops(|part| match part {
            Part::AsyncOp(wire) if announced.len() < limits::RESOURCES => {
                *events += 1;
                let op = AsyncOp::new(&wire, &mut self.texts);
                announced.insert(op.id(), op);
            }
            Part::AsyncOpStats(id, stats) => {
                let (made, new) = (moment(stats.created_at), announced.remove(&id));
                let op = settle(&mut self.async_ops, id, made, new, self.written.at);
                let task = op.and_then(|op| {
                    op.take(&stats, &mut self.texts);
                    op.task.filter(|_| op.ended() == 0)
                });
                self.mentioned(task);
            }
            Part::Dropped(count) => self.dropped(count),
            _ => self.refuse(),
        })?;
        for (id, new) in announced {
            settle(&mut self.async_ops, id, 0, Some(new), self.written.at);
        }
        envelope.poll_ops(|part| {
            *events += 1;
            self.take_poll(part);
        })
    }

    fn take_poll(&mut self, part: Part) {
        let Part::PollOp(poll) = part else { return self.refuse() };
        let (op, task) = (poll.async_op_id.map(|id| id.id), poll.task_id.map(|id| id.id));
        if let Some(op) = op.and_then(|id| self.async_ops.get_mut(id)) {
            op.is_ready = Some(poll.is_ready);
            op.task = task.or(op.task);
        }
        let resource = poll.resource_id.and_then(|id| self.resources.get_mut(id.id));
        if let Some(resource) = resource.filter(|_| poll.is_ready) {
            resource.taker = task;
        }
        self.mentioned(task);
    }
}

/// The entry with this id that was made at this moment: the one that is known, or a new
/// one that was announced. An older bearer of the id ends.
fn settle<T: Wait>(
    table: &mut Table<T>,
    id: u64,
    made: Moment,
    new: Option<T>,
    now: Moment,
) -> Option<&mut T> {
    let known = table.get_mut(id).filter(|known| known.ended() == 0);
    let is_same = known.is_some_and(|known| {
        let is_same = made == 0 || known.was_made_at(made);
        if !is_same {
            known.end(now);
        }
        is_same
    });
    if is_same { table.get_mut(id) } else { table.push(new?) }
}
