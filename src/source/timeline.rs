//! When each worker polled whom: what the probe's threads wrote down, by worker.

use super::workers::Places;
use crate::{
    model::{CurrentPoll, PollSpans, WorkerPolls},
    probe::{Kept, PollKind, PollSpan, Recorded, Recording, Registry},
};

/// Follows the polls of the workers while somebody wants to see them.
#[derive(Default)]
pub(super) struct Timeline {
    recording: Option<Recording>,
    /// Until then everything was read, on the probe's clock.
    read_ns: u64,
    /// What the last look found, by the threads' places.
    found: Vec<Recorded>,
}

impl Timeline {
    /// Takes what the threads have written down. To be called before the tasks are scanned:
    /// then those that were polled are among them.
    pub(super) fn look(&mut self, wanted: bool, registry: &'static Registry) {
        if !wanted {
            *self = Timeline::default();
            return;
        }
        if self.recording.is_none() {
            self.recording = Some(registry.record());
            self.read_ns = registry.now();
        }
        self.found = self.recording.as_mut().map(Recording::read).unwrap_or_default();
    }

    /// What it was that the workers did until `now`; they began at `began`. `None` if nothing is
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
    // A thread's place may have been another one's, in the runtime before this one.
    spans.retain(|span| span.began >= began);
    let first = |spans: &[PollSpan]| spans.first().map_or(now, |first| first.began);
    let from_ns = if lost == 0 { since } else { first(&spans).max(since) };
    PollSpans { from_ns: from_ns.min(now), lost, spans: spans.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRETCH: PollSpan = PollSpan { task: 1, began: 70, ended: 80 };

    #[test]
    fn what_is_lost_moves_the_moment_from_which_all_is_known() {
        let of =
            |lost, spans: &[PollSpan]| stretches_of(Kept { lost, spans: spans.to_vec() }).from_ns;
        assert_eq!([of(0, &[STRETCH]), of(3, &[STRETCH]), of(3, &[])], [50, 70, 100]);
    }

    #[test]
    fn what_a_place_did_for_the_runtime_before_is_left_out() {
        let before = PollSpan { task: 9, began: 39, ended: 60 };
        let kept = Kept { lost: 0, spans: vec![before, STRETCH] };
        assert_eq!(*stretches_of(kept).spans, [STRETCH]);
    }

    fn stretches_of(kept: Kept) -> PollSpans {
        spans(kept, 50, 40, 100)
    }
}
