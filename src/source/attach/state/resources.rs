//! Resources and the async operations on them.

use std::sync::Arc;

use console_api::{
    Attribute, async_ops,
    field::{Name, Value},
    resources::{self, resource::kind::Kind},
};

use super::table::{EntryHeader, TableEntry};
use crate::{
    snapshot::{AsyncOpStats, ResourceStats},
    source::attach::{
        clock::{Moment, moment, nanos},
        limits,
        text::Texts,
    },
};

/// The kind of timers.
const TIMER: &str = "timer";

#[derive(Debug)]
pub(super) struct Resource {
    header: EntryHeader,
    /// The id of the resource that contains it.
    pub parent: Option<u64>,
    pub type_name: Arc<str>,
    kind: Arc<str>,
    location: Arc<str>,
    is_internal: bool,
    pub state: Arc<str>,
    /// The id of the task that acquired it last, unless it was free since.
    pub holder: Option<u64>,
    /// When that task acquired it.
    pub held_since: Moment,
    /// Whether that task acquired an owned guard, which it may have moved to another task.
    pub is_guard_owned: bool,
    /// Whether another task, too, has acquired it since it was free, and may hold it.
    is_shared: bool,
    /// When the operation ended in which `holder` acquired it, if that is known.
    acquired: Moment,
    /// Of a timer: the time from its last reset to its deadline.
    pub timeout_ns: Option<u64>,
}

impl TableEntry for Resource {
    fn header(&self) -> &EntryHeader {
        &self.header
    }

    fn header_mut(&mut self) -> &mut EntryHeader {
        &mut self.header
    }
}

impl Resource {
    pub(super) fn new(message: &resources::Resource, texts: &mut Texts) -> Self {
        let kind = match message.kind.as_ref().and_then(|kind| kind.kind.as_ref()) {
            Some(Kind::Known(_)) => TIMER.into(),
            Some(Kind::Other(other)) => texts.truncate(other, limits::NAME_BYTES),
            None => "".into(),
        };
        let kind = texts.intern(&kind);
        let type_name = texts.truncate(&message.concrete_type, limits::NAME_BYTES);
        Resource {
            header: EntryHeader::new(message.id.map_or(0, |id| id.id)),
            parent: message.parent_resource_id.map(|id| id.id),
            type_name: texts.intern(&type_name),
            kind,
            location: texts.location(message.location.as_ref()),
            is_internal: message.is_internal,
            state: texts.intern(""),
            holder: None,
            held_since: 0,
            is_guard_owned: false,
            is_shared: false,
            acquired: 0,
            timeout_ns: None,
        }
    }

    pub(super) fn apply(&mut self, stats: &resources::Stats, texts: &mut Texts) {
        self.header.created = moment(stats.created_at);
        self.header.ended = moment(stats.dropped_at);
        self.state = texts.attributes(&stats.attributes);
        self.timeout_ns = timeout_ns(&stats.attributes);
    }

    /// Derives the holder from an operation that has ended, also before the connection: the program
    /// keeps ended operations for an hour, by default.
    pub(super) fn operation_ended(&mut self, op: &AsyncOp, is_guard_owned: bool) {
        let AsyncOp { header, task, has_acquired, .. } = op;
        if !*has_acquired || header.created < self.header.created {
            return;
        }
        if header.ended > self.acquired {
            self.acquired_by(*task, header.ended, is_guard_owned);
            self.acquired = header.ended;
        } else {
            self.is_shared |= self.holder != *task;
        }
    }

    /// A task has acquired it at `at`, or between two updates, the first of which was at `at`.
    pub(super) fn acquired_by(&mut self, task: Option<u64>, at: Moment, is_guard_owned: bool) {
        self.is_shared |= self.holder.is_some_and(|holder| Some(holder) != task);
        (self.holder, self.held_since) = (task, at);
        self.is_guard_owned = is_guard_owned;
    }

    /// It is free. Releases are not reported otherwise.
    pub(super) fn release(&mut self) {
        (self.holder, self.is_shared) = (None, false);
    }

    /// Whether several tasks may hold it: other readers than the latest one.
    pub(super) fn may_have_several_holders(&self, part: Option<&Resource>) -> bool {
        let is_shared = self.is_shared || part.is_some_and(|part| part.is_shared);
        let is_write_locked = self.state.split(' ').any(|it| it == "write_locked=true");
        is_shared && &*self.type_name == "RwLock" && !is_write_locked
    }

    /// Whether it is the semaphore of a bounded channel, on which senders wait for space. It is the
    /// only internal resource that is not a part of another one.
    fn is_channel(&self) -> bool {
        self.is_internal && self.parent.is_none() && &*self.type_name == "Semaphore"
    }

    /// Whether the resource is locked or exhausted; `None` if its type cannot be.
    pub(super) fn is_taken(&self) -> Option<bool> {
        let has = |attribute: &str| self.state.split(' ').any(|part| part == attribute);
        let readers = self.state.split(' ').find_map(|part| part.strip_prefix("current_readers="));
        match &*self.type_name {
            "Mutex" => Some(has("locked=true")),
            "RwLock" => Some(has("write_locked=true") || readers.is_some_and(|n| n != "0")),
            "Semaphore" if self.is_channel() => None,
            "Semaphore" => Some(has("permits=0")),
            _ => None,
        }
    }

    pub(super) fn is_timer(&self) -> bool {
        &*self.kind == TIMER
    }

    /// Whether its state shows that no task holds it. The state of a part does not: it may change
    /// later than that of the whole.
    pub(super) fn is_known_to_be_free(&self) -> bool {
        self.parent.is_none() && !self.state.is_empty() && self.is_taken() == Some(false)
    }

    pub(super) fn stats(&self, at: Moment) -> ResourceStats {
        ResourceStats {
            key: self.header.key,
            id: self.header.key,
            type_name: match self.is_channel() {
                true => "mpsc channel".into(),
                false => Arc::clone(&self.type_name),
            },
            kind: Arc::clone(&self.kind),
            location: Arc::clone(&self.location),
            state: Arc::clone(&self.state),
            parent: None,
            is_internal: self.is_internal,
            age_ns: self.header.age_ns(at),
            is_dropped: self.header.ended > 0,
            is_taken: self.is_taken(),
            holder: None,
            held_ns: None,
            is_guard_owned: false,
            reports_waits: true,
        }
    }
}

/// The value of a numeric attribute.
fn number(attributes: &[Attribute], name: &str) -> Option<u64> {
    attributes.iter().find_map(|attribute| {
        let field = attribute.field.as_ref()?;
        match (field.name.as_ref()?, field.value.as_ref()?) {
            (Name::StrName(found), Value::U64Val(value)) if found == name => Some(*value),
            _ => None,
        }
    })
}

/// The attribute `duration` of a timer, in nanoseconds.
fn timeout_ns(attributes: &[Attribute]) -> Option<u64> {
    let is_duration = |attribute: &&Attribute| {
        let name = attribute.field.as_ref().and_then(|field| field.name.as_ref());
        matches!(name, Some(Name::StrName(name)) if name == "duration")
    };
    let unit = match attributes.iter().find(is_duration)?.unit.as_deref()? {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "us" => 1_000,
        "ns" => 1,
        _ => return None,
    };
    Some(number(attributes, "duration")?.saturating_mul(unit))
}

#[derive(Debug)]
pub(super) struct AsyncOp {
    header: EntryHeader,
    source: Arc<str>,
    /// The ids of its resource, of the operation that contains it, and of its task.
    pub resource: Option<u64>,
    pub parent: Option<u64>,
    pub task: Option<u64>,
    polls: u64,
    busy_ns: u64,
    state: Arc<str>,
    pub is_ready: Option<bool>,
    /// It has obtained all permits that it requested.
    has_acquired: bool,
}

impl TableEntry for AsyncOp {
    fn header(&self) -> &EntryHeader {
        &self.header
    }

    fn header_mut(&mut self) -> &mut EntryHeader {
        &mut self.header
    }
}

impl AsyncOp {
    pub(super) fn new(message: &async_ops::AsyncOp, texts: &mut Texts) -> Self {
        let source = texts.truncate(&message.source, limits::NAME_BYTES);
        AsyncOp {
            header: EntryHeader::new(message.id.map_or(0, |id| id.id)),
            source: texts.intern(&source),
            resource: message.resource_id.map(|id| id.id),
            parent: message.parent_async_op_id.map(|id| id.id),
            task: None,
            polls: 0,
            busy_ns: 0,
            state: texts.intern(""),
            is_ready: None,
            has_acquired: false,
        }
    }

    /// Whether it returns an owned guard, such as `Mutex::lock_owned`.
    pub(super) fn returns_owned_guard(&self) -> bool {
        self.source.ends_with("_owned")
    }

    pub(super) fn apply(&mut self, stats: &async_ops::Stats, texts: &mut Texts) {
        let polled = stats.poll_stats.unwrap_or_default();
        self.header.created = moment(stats.created_at);
        self.header.ended = moment(stats.dropped_at);
        self.task = stats.task_id.map(|id| id.id).or(self.task);
        self.polls = polled.polls;
        self.busy_ns = nanos(polled.busy_time);
        self.state = texts.attributes(&stats.attributes);
        let requested = number(&stats.attributes, "permits_requested").unwrap_or(0);
        let obtained = number(&stats.attributes, "permits_obtained").unwrap_or(0);
        self.has_acquired = requested > 0 && obtained >= requested;
    }

    pub(super) fn stats(&self, at: Moment) -> AsyncOpStats {
        AsyncOpStats {
            key: self.header.key,
            id: self.header.key,
            source: Arc::clone(&self.source),
            resource: None,
            parent: None,
            task: None,
            state: Arc::clone(&self.state),
            polls: self.polls,
            busy_ns: self.busy_ns,
            age_ns: self.header.age_ns(at),
            is_dropped: self.header.ended > 0,
            is_ready: self.is_ready,
            is_granted: self.has_acquired && self.is_ready != Some(true),
        }
    }
}
