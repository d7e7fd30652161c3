//! The watchdog's part of a snapshot: long polls, stacks, await points and the machine.

use std::{cmp::Reverse, collections::HashMap, sync::Arc, thread::ThreadId};

use asynctop_snapshot::{
    Accuracy, Description, FieldId, LongPoll, MachineStats, StackSample, Stop, Target,
};

pub(super) use crate::watch::thread_times;
use crate::watch::{PollRecord, WatchHandle, machine_times};

/// The reason why there are no await points.
const NO_AWAIT_POINTS: &str = "await points require the watchdog";

/// Reads the records of a watchdog, if there is one.
pub(super) struct WatchReader {
    handle: Option<WatchHandle>,
    /// By task and start.
    long_polls: HashMap<(u64, u64), (Arc<PollRecord>, Arc<LongPoll>)>,
    /// The latest revision of a long poll.
    revision: u64,
}

impl WatchReader {
    /// A reader without a watchdog.
    pub(super) fn none() -> Self {
        WatchReader { handle: None, long_polls: HashMap::new(), revision: 0 }
    }

    pub(super) fn new(handle: WatchHandle) -> Self {
        WatchReader { handle: Some(handle), ..Self::none() }
    }

    pub(super) fn describe(&self, description: Description) -> Description {
        if self.handle.is_some() {
            return description;
        }
        description
            .with(FieldId::LongPolls, Accuracy::unavailable("requires the watchdog"))
            .with(FieldId::AwaitPoint, Accuracy::unavailable(NO_AWAIT_POINTS))
    }

    pub(super) fn stops(&self) -> Vec<Stop> {
        self.handle.as_ref().map(WatchHandle::stops).unwrap_or_default()
    }

    pub(super) fn machine(stops: Vec<Stop>, run_delay_ns: Option<u64>) -> Option<MachineStats> {
        Some(MachineStats {
            stops,
            excludes_stops: false,
            times: machine_times(),
            run_delay_ns,
            stopped_since_ns: None,
        })
    }

    pub(super) fn samples(&self) -> Vec<Arc<StackSample>> {
        self.handle.as_ref().map(WatchHandle::samples).unwrap_or_default()
    }

    /// The running long polls of the runtime with this number, and those that ended recently.
    /// `worker_of` maps a thread to its worker.
    pub(super) fn long_polls(
        &mut self,
        runtime: Option<u32>,
        worker_of: impl Fn(ThreadId) -> Option<usize>,
        now: u64,
    ) -> Vec<Arc<LongPoll>> {
        let Some(watchdog) = &self.handle else { return Vec::new() };
        let since_ns = now.saturating_sub(Target::KEPT_NS);
        let is_recent =
            |record: &PollRecord| record.changed_ns.is_none_or(|changed_ns| changed_ns >= since_ns);
        // A poll on the previous runtime may still be running.
        let is_current = |record: &PollRecord| {
            record.runtime.zip(runtime).is_none_or(|(its, current)| its == current)
        };
        let mut previous = std::mem::take(&mut self.long_polls);
        let records = watchdog.records();
        for record in records.into_iter().filter(|record| is_recent(record) && is_current(record)) {
            let key = (record.task, record.began_ns);
            // The watchdog replaces a record that changes.
            let unchanged = previous.remove(&key).filter(|(old, _)| Arc::ptr_eq(old, &record));
            let entry = unchanged.unwrap_or_else(|| {
                self.revision += 1;
                let worker = record.thread.and_then(&worker_of);
                let poll = LongPoll { worker, revision: self.revision, ..record.long_poll() };
                (record, Arc::new(poll))
            });
            self.long_polls.insert(key, entry);
        }
        // The watchdog keeps a limited number of ended polls, even of recent ones.
        let ended = previous.into_iter().filter(|(_, (record, _))| {
            record.changed_ns.is_some() && is_recent(record) && is_current(record)
        });
        self.long_polls.extend(ended);
        let mut latest: Vec<_> = self.long_polls.values().map(|(_, poll)| poll).cloned().collect();
        latest.sort_unstable_by_key(|poll| (poll.is_ended, Reverse(poll.revision)));
        for old in latest.drain(Target::MAX_LONG_POLLS.min(latest.len())..) {
            self.long_polls.remove(&(old.task, old.began_ns));
        }
        latest
    }
}
