//! Reads the poll spans that the threads record while there is a reader.

use super::{
    recorder::Recorder,
    registry::Registry,
    thread::{CurrentPoll, ThreadSlot},
};
use asynctop_snapshot::PollSpan;

/// Reads the poll spans of a registry's threads, which are recorded while at least one recording
/// exists.
pub(crate) struct Recording {
    registry: &'static Registry,
    slots: Vec<&'static ThreadSlot>,
    /// The numbers of the next poll spans in both rings, by slot.
    next: Vec<(u64, u64)>,
    /// The numbers of the first poll spans of this recording, by slot.
    first: Vec<(u64, u64)>,
}

/// The poll spans of one thread since the last reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThreadSpans {
    /// All polls.
    pub every: SpanBatch,
    /// The polls that were running at a multiple of `TICK_NS`: all polls longer than that, and a
    /// sample of the shorter ones.
    pub ticked: SpanBatch,
    /// The running poll or drop. If the last span of `every` ended after this start, it was
    /// nested in this poll, and the poll's next span begins where the nested one ended.
    pub current: Option<CurrentPoll>,
}

/// Poll spans, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanBatch {
    /// Number of earlier spans that were overwritten.
    pub missing: u64,
    /// The spans, which never overlap.
    pub spans: Vec<PollSpan>,
}

impl Registry {
    /// Records the threads' poll spans while the returned value exists.
    pub(crate) fn record(&'static self) -> Recording {
        Recording::new(self)
    }
}

impl Recording {
    pub(super) fn new(registry: &'static Registry) -> Self {
        let mut slots = Vec::new();
        registry.thread_slots(&mut slots);
        // Excludes the spans of earlier recordings.
        let first = slots.iter().map(|slot| {
            let pushed = |recorder: &Recorder| (recorder.every.pushed(), recorder.ticked.pushed());
            slot.existing_recorder().map(pushed).unwrap_or_default()
        });
        let first: Vec<_> = first.collect();
        registry.begin_recording();
        Recording { registry, slots, next: first.clone(), first }
    }

    /// Makes the next reading return all poll spans of this recording that have not been
    /// overwritten.
    pub fn rewind(&mut self) {
        self.next.clone_from(&self.first);
    }

    /// The poll spans of each thread since the last call, in the order of [`Registry::threads`].
    pub fn read(&mut self) -> Vec<ThreadSpans> {
        self.registry.thread_slots(&mut self.slots);
        self.next.resize(self.slots.len(), (0, 0));
        self.slots.iter().zip(&mut self.next).map(|(slot, next)| read(slot, next)).collect()
    }
}

fn read(slot: &ThreadSlot, (every, ticked): &mut (u64, u64)) -> ThreadSpans {
    let mut recorded = ThreadSpans::default();
    if let Some(recorder) = slot.existing_recorder() {
        recorded.every.missing = recorder.every.copy(every, &mut recorded.every.spans);
        recorded.ticked.missing = recorder.ticked.copy(ticked, &mut recorded.ticked.spans);
        // After the copies: a poll that they lack has not ended yet, or ended during the copy.
        recorded.current = slot.current();
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
