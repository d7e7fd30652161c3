//! The polls of each worker, from the rings that the threads record into.

use asynctop_snapshot::{CurrentPoll, PollSpan, PollSpans, WorkerPolls};

use super::workers::Places;
use crate::accounting::{Kept, PollKind, Recorded, Recording, Registry};

/// Records the polls of the workers while they are subscribed.
#[derive(Default)]
pub(super) struct Timeline {
    recording: Option<Recording>,
    /// Everything before this time has been read, on the probe's clock.
    read_ns: u64,
    /// The latest recording of each thread, by its place.
    found: Vec<Recorded>,
}

impl Timeline {
    /// Reads the recordings. To be called before the tasks are scanned, so that every task in a
    /// recording is among them.
    pub(super) fn update(&mut self, is_subscribed: bool, registry: &'static Registry) {
        if !is_subscribed {
            *self = Timeline::default();
            return;
        }
        if self.recording.is_none() {
            self.recording = Some(registry.record());
            self.read_ns = registry.now();
        }
        self.found = self.recording.as_mut().map(Recording::read).unwrap_or_default();
    }

    /// The polls of the workers until `now`; the runtime started at `began`. `None` if nothing is
    /// recorded.
    pub(super) fn polls(
        &mut self,
        places: &Places,
        began: u64,
        now: u64,
    ) -> Option<Vec<WorkerPolls>> {
        self.recording.as_ref()?;
        let since = self.read_ns.max(began);
        self.read_ns = self.read_ns.max(now);
        let mut of_worker = |place: &Option<usize>| {
            let found = place.and_then(|place| self.found.get_mut(place));
            let Recorded { every, ticked, current } = found.map(std::mem::take).unwrap_or_default();
            WorkerPolls {
                every: spans(every, since, began, now),
                ticked: spans(ticked, since, began, now),
                current: current.map(|(key, since_ns)| CurrentPoll {
                    key,
                    since_ns,
                    kind: PollKind::default(),
                }),
            }
        };
        Some(places.iter().map(&mut of_worker).collect())
    }
}

fn spans(kept: Kept, since: u64, began: u64, now: u64) -> PollSpans {
    let Kept { lost, mut spans } = kept;
    // The place may have belonged to a thread of the previous runtime.
    spans.retain(|span| span.began >= began);
    let first = |spans: &[PollSpan]| spans.first().map_or(now, |first| first.began);
    let from_ns = if lost == 0 { since } else { first(&spans).max(since) };
    PollSpans { from_ns: from_ns.min(now), lost, spans: spans.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: PollSpan = PollSpan { task: 1, began: 70, ended: 80 };

    #[test]
    fn lost_spans_move_the_start_of_the_complete_part() {
        let of = |lost, spans: &[PollSpan]| spans_of(Kept { lost, spans: spans.to_vec() }).from_ns;
        assert_eq!([of(0, &[POLL]), of(3, &[POLL]), of(3, &[])], [50, 70, 100]);
    }

    #[test]
    fn polls_of_the_previous_runtime_are_excluded() {
        let before = PollSpan { task: 9, began: 39, ended: 60 };
        let kept = Kept { lost: 0, spans: vec![before, POLL] };
        assert_eq!(*spans_of(kept).spans, [POLL]);
    }

    fn spans_of(kept: Kept) -> PollSpans {
        spans(kept, 50, 40, 100)
    }
}
