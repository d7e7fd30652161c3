//! Reads what the threads record, which they do only while there is a reader.

use super::{recorder::Recorder, registry::Registry, thread::ThreadSlot};
use asynctop_snapshot::PollSpan;

/// Follows when each thread polled whom. While there is one of a registry, its threads
/// write down their polls.
pub(crate) struct Recording {
    registry: &'static Registry,
    slots: Vec<&'static ThreadSlot>,
    /// For each slot the numbers of the next poll spans of both rings.
    next: Vec<(u64, u64)>,
}

/// What a thread has written down since the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    /// Each poll.
    pub every: Kept,
    /// The polls that a tick fell into, one each `TICK_NS`: the longer
    /// ones all, of the shorter ones a sample.
    pub ticked: Kept,
    /// The poll that it is in, if it is in one: task and beginning. Its time begins where
    /// the last of `every` ended, if that is later: then it had given way to one inside.
    pub current: Option<(u64, u64)>,
}

/// What is left of what was written down, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// How many came before these and were overwritten.
    pub lost: u64,
    /// The times, which never overlap.
    pub spans: Vec<PollSpan>,
}

impl Registry {
    /// Has the threads write down when they poll whom, for as long as the recording is kept.
    pub(crate) fn record(&'static self) -> Recording {
        Recording::new(self)
    }
}

impl Recording {
    pub(super) fn new(registry: &'static Registry) -> Self {
        let mut slots = Vec::new();
        registry.thread_slots(&mut slots);
        // What was written for somebody before is none of ours.
        let next = slots.iter().map(|slot| {
            let written = |recorder: &Recorder| (recorder.every.pushed(), recorder.ticked.pushed());
            slot.recorder_kept().map(written).unwrap_or_default()
        });
        let next = next.collect();
        registry.begin_recording();
        Recording { registry, slots, next }
    }

    /// What each thread has written down since the last look, in the order of
    /// [`Registry::threads`].
    pub fn read(&mut self) -> Vec<Recorded> {
        self.registry.thread_slots(&mut self.slots);
        self.next.resize(self.slots.len(), (0, 0));
        self.slots.iter().zip(&mut self.next).map(|(slot, next)| read(slot, next)).collect()
    }
}

fn read(slot: &ThreadSlot, (every, ticked): &mut (u64, u64)) -> Recorded {
    let mut recorded = Recorded::default();
    if let Some(recorder) = slot.recorder_kept() {
        recorded.every.lost = recorder.every.copy(every, &mut recorded.every.spans);
        recorded.ticked.lost = recorder.ticked.copy(ticked, &mut recorded.ticked.spans);
        // After the copies: a poll that is not in them has not ended, or ends this moment.
        recorded.current = slot.current().map(|poll| (poll.task, poll.since));
    }
    recorded
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.registry.end_recording();
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("threads", &self.slots.len()).finish_non_exhaustive()
    }
}
