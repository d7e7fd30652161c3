//! Resources and the async operations on them.

use std::sync::Arc;

use console_api::{
    async_ops,
    resources::{self, resource::kind::Kind},
};

use super::table::{Entry, Life};
use crate::{
    snapshot::{AsyncOpStats, ResourceStats},
    source::attach::{
        clock::{Moment, moment, nanos},
        limits,
        text::Texts,
    },
};

/// What people see for an id: those of the wire have sixteen digits.
fn number(key: u64) -> u64 {
    key & ((1 << 48) - 1)
}

/// A resource or an operation: its id may be another's at any time.
pub(super) trait Wait: Entry {
    /// Whether figures with this moment of making are of this one.
    fn was_made_at(&self, made: Moment) -> bool {
        self.life().made == 0 || self.life().made == made
    }
}

impl Wait for Resource {}
impl Wait for AsyncOp {}

#[derive(Debug)]
pub(super) struct Resource {
    life: Life,
    /// The id of the resource that it is a part of.
    pub parent: Option<u64>,
    pub type_name: Arc<str>,
    kind: Arc<str>,
    location: Arc<str>,
    is_internal: bool,
    pub state: Arc<str>,
    /// The id of the task that got it last.
    pub taker: Option<u64>,
}

impl Entry for Resource {
    fn life(&self) -> &Life {
        &self.life
    }

    fn life_mut(&mut self) -> &mut Life {
        &mut self.life
    }
}

impl Resource {
    pub(super) fn new(wire: &resources::Resource, texts: &mut Texts) -> Self {
        let kind = match wire.kind.as_ref().and_then(|kind| kind.kind.as_ref()) {
            Some(Kind::Known(_)) => "timer".into(),
            Some(Kind::Other(other)) => texts.cut(other, limits::NAME_BYTES),
            None => "".into(),
        };
        let kind = texts.share(&kind);
        let type_name = texts.cut(&wire.concrete_type, limits::NAME_BYTES);
        Resource {
            life: Life::new(wire.id.map_or(0, |id| id.id)),
            parent: wire.parent_resource_id.map(|id| id.id),
            type_name: texts.share(&type_name),
            kind,
            location: texts.location(wire.location.as_ref()),
            is_internal: wire.is_internal,
            state: texts.share(""),
            taker: None,
        }
    }

    pub(super) fn take(&mut self, stats: &resources::Stats, texts: &mut Texts) {
        self.life.made = moment(stats.created_at);
        self.life.ended = moment(stats.dropped_at);
        self.state = texts.attributes(&stats.attributes);
    }

    /// Whether somebody has it, as far as its state says; `None` for what nobody can have.
    pub(super) fn is_taken(&self) -> Option<bool> {
        let says = |word: &str| self.state.split(' ').any(|part| part == word);
        let readers = self.state.split(' ').find_map(|part| part.strip_prefix("current_readers="));
        match &*self.type_name {
            "Mutex" => Some(says("locked=true")),
            "RwLock" => Some(says("write_locked=true") || readers.is_some_and(|n| n != "0")),
            "Semaphore" => Some(says("permits=0")),
            _ => None,
        }
    }

    pub(super) fn figures(&self, at: Moment) -> ResourceStats {
        ResourceStats {
            key: self.life.key,
            id: number(self.life.key),
            type_name: Arc::clone(&self.type_name),
            kind: Arc::clone(&self.kind),
            location: Arc::clone(&self.location),
            state: Arc::clone(&self.state),
            parent: None,
            is_internal: self.is_internal,
            age_ns: self.life.age_ns(at),
            is_dropped: self.life.ended > 0,
            is_taken: self.is_taken(),
            holder: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct AsyncOp {
    life: Life,
    source: Arc<str>,
    /// The ids of its resource, of the operation that it is a part of, of its task.
    pub resource: Option<u64>,
    pub parent: Option<u64>,
    pub task: Option<u64>,
    polls: u64,
    busy_ns: u64,
    state: Arc<str>,
    pub is_ready: Option<bool>,
}

impl Entry for AsyncOp {
    fn life(&self) -> &Life {
        &self.life
    }

    fn life_mut(&mut self) -> &mut Life {
        &mut self.life
    }
}

impl AsyncOp {
    pub(super) fn new(wire: &async_ops::AsyncOp, texts: &mut Texts) -> Self {
        let source = texts.cut(&wire.source, limits::NAME_BYTES);
        AsyncOp {
            life: Life::new(wire.id.map_or(0, |id| id.id)),
            source: texts.share(&source),
            resource: wire.resource_id.map(|id| id.id),
            parent: wire.parent_async_op_id.map(|id| id.id),
            task: None,
            polls: 0,
            busy_ns: 0,
            state: texts.share(""),
            is_ready: None,
        }
    }

    pub(super) fn take(&mut self, stats: &async_ops::Stats, texts: &mut Texts) {
        let polled = stats.poll_stats.unwrap_or_default();
        self.life.made = moment(stats.created_at);
        self.life.ended = moment(stats.dropped_at);
        self.task = stats.task_id.map(|id| id.id).or(self.task);
        self.polls = polled.polls;
        self.busy_ns = nanos(polled.busy_time);
        self.state = texts.attributes(&stats.attributes);
    }

    pub(super) fn figures(&self, at: Moment) -> AsyncOpStats {
        AsyncOpStats {
            key: self.life.key,
            id: number(self.life.key),
            source: Arc::clone(&self.source),
            resource: None,
            parent: None,
            task: None,
            state: Arc::clone(&self.state),
            polls: self.polls,
            busy_ns: self.busy_ns,
            age_ns: self.life.age_ns(at),
            is_dropped: self.life.ended > 0,
            is_ready: self.is_ready,
        }
    }
}
