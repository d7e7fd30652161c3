//! A sweep: reads the states of all listed tasks.

use std::{sync::Arc, time::Duration};

use crate::{
    InspectError, TaskInfo,
    memory::{Memory, Span, word_in},
    process::identity::Identity,
    sampler::{polls::TaskKey, share::Observations},
    sys::MAX_SPANS,
    tokio::task::{State, StateKind, VTABLE_AT},
};

/// Maximum gap between tasks that are read together.
const MAX_GAP: u64 = 2048;
/// Maximum number of bytes read together.
const MAX_SPAN: u64 = 1 << 20;
/// Length of a header up to the vtable, inclusive.
const HEAD_LENGTH: u64 = VTABLE_AT as u64 + 8;

/// A listed task.
pub(super) struct Entry {
    pub key: TaskKey,
    pub task: Arc<TaskInfo>,
    pub first_seen: Duration,
    /// Number of samples of the threads before it was listed.
    pub listed_at: u64,
    pub states: States,
}

/// The states of one task in all sweeps.
#[derive(Clone, Copy, Default)]
pub(super) struct States {
    pub running: Observations,
    pub scheduled: Observations,
    pub idle: Observations,
    pub latest: Option<StateKind>,
    /// When the latest state was read, and the first of the latest consecutive sweeps that read it.
    pub read: Duration,
    pub since: Duration,
    /// The latest state that was counted.
    counted: Option<StateKind>,
}

impl States {
    fn set(&mut self, state: StateKind, read: Duration) {
        if self.latest != Some(state) {
            (self.latest, self.since) = (Some(state), read);
        }
        self.read = read;
    }

    /// Counts the latest state.
    fn count(&mut self) {
        let Some(state) = self.latest else { return };
        let observations = [
            (StateKind::Running, &mut self.running),
            (StateKind::Scheduled, &mut self.scheduled),
            (StateKind::Idle, &mut self.idle),
        ];
        for (kind, observations) in observations {
            let is_hit = kind == state;
            observations.samples += 1;
            observations.hits += u64::from(is_hit);
            observations.runs += u64::from(is_hit && self.counted != Some(kind));
        }
        self.counted = self.latest;
    }
}

/// Whether the header at `address` is near enough to be read together with those in `span`.
fn is_near(span: &Span, address: u64) -> bool {
    let end = span.address + span.length as u64;
    (end..=end.saturating_add(MAX_GAP)).contains(&address)
        && address.saturating_add(HEAD_LENGTH) - span.address <= MAX_SPAN
}

/// Reads the state of each task that still exists, and counts it if `is_counted`. `entries` are sorted
/// by address; `now` returns the time.
pub(super) fn sweep(
    identity: &Identity,
    entries: &mut [Entry],
    buffer: &mut Vec<u8>,
    is_counted: bool,
    now: impl Fn() -> Duration,
) -> Result<(), InspectError> {
    let mut entries = entries.iter_mut().peekable();
    while entries.peek().is_some() {
        // As many spans as one call takes, and each entry with its span and its offset in the buffer.
        let mut spans: Vec<Span> = Vec::new();
        let mut batch = Vec::new();
        let mut length = 0;
        while let Some(entry) = entries.peek() {
            let address = entry.task.address;
            if !spans.last().is_some_and(|span| is_near(span, address)) {
                if spans.len() == MAX_SPANS || length as u64 >= MAX_SPAN {
                    break;
                }
                spans.push(Span { address, length: 0 });
            }
            let Some(span) = spans.last_mut() else { break };
            let extended = (address + HEAD_LENGTH - span.address) as usize;
            length += extended - span.length;
            span.length = extended;
            let position = (spans.len() - 1, length - HEAD_LENGTH as usize);
            batch.extend(entries.next().map(|entry| (entry, position)));
        }
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let complete = identity.gather(&spans, &mut buffer[..length]);
        identity.verify_quickly()?;
        let read = now();
        for (entry, (span, offset)) in batch {
            let word = |field| word_in(buffer, offset + field);
            let is_same = complete[span] && word(VTABLE_AT) == Some(entry.task.vtable);
            let state = word(0).map(State).filter(|state| is_same && state.is_plausible());
            if let Some(state) = state {
                entry.states.set(state.kind(), read);
                if is_counted {
                    entry.states.count();
                }
            }
        }
    }
    Ok(())
}
