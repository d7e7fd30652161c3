//! The polls of each worker, from the ring buffers of the threads.

use asynctop_snapshot::{CurrentPoll, PollSpan, PollSpans, WorkerPolls};

use super::workers::WorkerThreadIndices;
use crate::accounting::{Recording, Registry, SpanBatch, ThreadSpans};

/// Records the polls of the workers while they are subscribed, or always.
#[derive(Default)]
pub(super) struct Timeline {
    /// Records also without a subscription.
    pub records_always: bool,
    is_subscribed: bool,
    recording: Option<Recording>,
    /// When the recording began, on the probe's clock.
    began_ns: u64,
    /// Everything before this time has been read, on the probe's clock.
    read_ns: u64,
    /// The latest recording of each thread, by its index.
    recorded: Vec<ThreadSpans>,
}

impl Timeline {
    /// Reads the recordings. Must be called before the tasks are scanned, so that the scan finds all
    /// tasks in the recordings.
    pub(super) fn update(&mut self, is_subscribed: bool, registry: &'static Registry) {
        let was_subscribed = std::mem::replace(&mut self.is_subscribed, is_subscribed);
        if !is_subscribed && !self.records_always {
            *self = Timeline::default();
            return;
        }
        if self.recording.is_none() {
            self.recording = Some(registry.record());
            self.began_ns = registry.now();
        }
        if !is_subscribed {
            return;
        }
        if !was_subscribed {
            // The first reading of a subscription has everything that is still recorded.
            self.recording.iter_mut().for_each(Recording::rewind);
            self.read_ns = self.began_ns;
        }
        self.recorded = self.recording.as_mut().map(Recording::read).unwrap_or_default();
    }

    /// The polls of the workers until `now`, on a runtime that started at `started`. `None` if nothing
    /// is recorded.
    pub(super) fn polls(
        &mut self,
        threads: &WorkerThreadIndices,
        started: u64,
        now: u64,
    ) -> Option<Vec<WorkerPolls>> {
        if !self.is_subscribed {
            return None;
        }
        let since = self.read_ns.max(started);
        self.read_ns = self.read_ns.max(now);
        let mut polls_of = |thread: &Option<usize>| {
            let recorded = thread.and_then(|thread| self.recorded.get_mut(thread));
            let ThreadSpans { every, ticked, current } =
                recorded.map(std::mem::take).unwrap_or_default();
            WorkerPolls {
                every: spans(every, since, started, now),
                ticked: spans(ticked, since, started, now),
                current: current.map(|poll| CurrentPoll {
                    key: poll.task,
                    since_ns: poll.since,
                    kind: poll.kind,
                }),
            }
        };
        Some(threads.iter().map(&mut polls_of).collect())
    }
}

fn spans(kept: SpanBatch, since: u64, started: u64, now: u64) -> PollSpans {
    let SpanBatch { missing, mut spans } = kept;
    // A thread of the previous runtime may have recorded the first spans.
    spans.retain(|span| span.began >= started);
    let first = |spans: &[PollSpan]| spans.first().map_or(now, |first| first.began);
    let from_ns = if missing == 0 { since } else { first(&spans).max(since) };
    PollSpans { from_ns: from_ns.min(now), missing, spans: spans.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: PollSpan = PollSpan { task: 1, began: 70, ended: 80 };

    #[test]
    fn spans_are_complete_from_the_first_one_after_a_loss() {
        let from_ns = |missing, spans: &[PollSpan]| {
            spans_of(SpanBatch { missing, spans: spans.to_vec() }).from_ns
        };
        assert_eq!([from_ns(0, &[POLL]), from_ns(3, &[POLL]), from_ns(3, &[])], [50, 70, 100]);
    }

    #[test]
    fn spans_exclude_the_previous_runtime() {
        let before = PollSpan { task: 9, began: 39, ended: 60 };
        let kept = SpanBatch { missing: 0, spans: vec![before, POLL] };
        assert_eq!(*spans_of(kept).spans, [POLL]);
    }

    fn spans_of(kept: SpanBatch) -> PollSpans {
        spans(kept, 50, 40, 100)
    }
}
