//! The workers of a runtime.

use std::{collections::HashMap, sync::Arc, time::Duration};

use asynctop_inspect::{
    RuntimeInfo,
    sampler::{Sample, SampledThread},
};

use super::{key::key, long_polls::running_on};
use crate::{
    snapshot::{CurrentPoll, PollKind, WorkerStats},
    source::nanos,
    text::sanitize,
};

/// The time that each worker's thread has spent in polls.
#[derive(Debug, Default)]
pub(super) struct Workers(HashMap<u32, ThreadTally>);

#[derive(Debug, Default)]
struct ThreadTally {
    name: Arc<str>,
    poll_ns: u64,
    /// Hits, samples and time at the last update of the sum.
    hits: u64,
    samples: u64,
    at: Duration,
}

impl Workers {
    /// The workers of the runtime at `index`. `is_update` updates the sums.
    pub(super) fn rows(
        &mut self,
        sample: &Sample,
        index: usize,
        is_update: bool,
    ) -> Vec<WorkerStats> {
        let runtime = &sample.runtimes[index];
        let (local, _) = queue_lengths(runtime);
        let rows = runtime.workers.iter().enumerate().map(|(worker, counters)| {
            let is_own =
                |it: &&SampledThread| it.runtime == Some(index) && it.worker == Some(worker);
            let thread = sample.threads.iter().find(is_own);
            let tally = thread.map(|thread| self.tally(sample, thread, is_update));
            let times = thread.and_then(|thread| thread.times);
            let busy = thread.and_then(|thread| thread.busy).map(nanos);
            WorkerStats {
                index: worker,
                thread: tally.map(|tally| Arc::clone(&tally.name)),
                current: thread.and_then(|thread| current(sample, thread)),
                poll_ns: tally.map_or(0, |tally| tally.poll_ns),
                busy_ns: busy.unwrap_or(counters.busy_ns),
                cpu_ns: times.map(|times| nanos(times.cpu)),
                run_delay_ns: times.map(|times| nanos(times.run_delay)),
                polls: 0,
                parks: counters.parks,
                steals: 0,
                overflows: 0,
                local_queue: local.get(worker).copied().unwrap_or(0),
            }
        });
        let rows = rows.collect();
        if is_update {
            self.0.retain(|tid, _| sample.threads.iter().any(|thread| thread.tid == *tid));
        }
        rows
    }

    fn tally(&mut self, sample: &Sample, thread: &SampledThread, is_update: bool) -> &ThreadTally {
        let tally = self.0.entry(thread.tid).or_insert_with(|| ThreadTally {
            name: sanitize(&thread.name).into(),
            hits: thread.hits,
            samples: sample.samples,
            at: sample.taken,
            poll_ns: 0,
        });
        let samples = sample.samples.saturating_sub(tally.samples);
        if is_update {
            let span = nanos(sample.taken.saturating_sub(tally.at)) as f64;
            let hits = thread.hits.saturating_sub(tally.hits) as f64;
            // Nothing is known of a time without samples.
            tally.poll_ns += (span * (hits / samples.max(1) as f64).min(1.0)) as u64;
            (tally.hits, tally.samples, tally.at) = (thread.hits, sample.samples, sample.taken);
        }
        tally
    }
}

/// The long poll that a thread is in. Shorter polls are not known individually.
fn current(sample: &Sample, thread: &SampledThread) -> Option<CurrentPoll> {
    let poll = running_on(sample, thread.tid)?;
    Some(CurrentPoll {
        key: key(poll.copy, poll.task.id),
        since_ns: nanos(poll.began),
        kind: PollKind::Poll,
    })
}

/// Tasks in each local queue and in the injection queue; 0 where they are not known.
pub(super) fn queue_lengths(runtime: &RuntimeInfo) -> (Vec<u64>, u64) {
    let Some(queues) = &runtime.queues else { return (Vec::new(), 0) };
    let local = queues.local.iter().map(|length| *length as u64).collect();
    (local, queues.injection.unwrap_or(0) as u64)
}
