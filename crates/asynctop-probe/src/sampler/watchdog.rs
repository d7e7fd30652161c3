//! The watchdog's part of a snapshot: long polls, stacks, await points and CPU supply.

use std::{sync::Arc, thread::ThreadId};

use asynctop_snapshot::{
    Accuracy, AwaitPoint, Awaits, Description, Evidence, FieldId, MachineStats, StackSample, Stop,
};

pub(super) use crate::watch::thread_times;
use crate::watch::{PollRecord, WatchHandle, machine_times};

/// Why there are no await points.
const NO_AWAIT_POINTS: &str = "await points require the watchdog";

/// Maximum number of long polls in a snapshot: the running ones first, then the latest.
const LONG_POLLS: usize = 100;

/// Reads the records of a watchdog, if there is one.
pub(super) struct WatchReader {
    handle: Option<WatchHandle>,
    /// When the watchdog noticed the end of the last poll that was reported.
    reported_ns: u64,
    /// The latest request for an await point: task and number of the request.
    requested: Option<(u64, u64)>,
}

impl WatchReader {
    /// Without a watchdog.
    pub(super) fn none() -> Self {
        WatchReader { handle: None, reported_ns: 0, requested: None }
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
        Some(MachineStats { stops, times: machine_times(), run_delay_ns })
    }

    pub(super) fn samples(&self) -> Vec<Arc<StackSample>> {
        self.handle.as_ref().map(WatchHandle::samples).unwrap_or_default()
    }

    /// The running long polls, and those whose end was noticed since the previous call, of the
    /// runtime with this number. `worker_of` is which worker a thread is.
    pub(super) fn long_polls(
        &mut self,
        runtime: Option<u32>,
        worker_of: impl Fn(ThreadId) -> Option<usize>,
    ) -> Vec<Arc<Evidence>> {
        let Some(watchdog) = &self.handle else { return Vec::new() };
        let since_ns = self.reported_ns;
        let records = watchdog.records();
        self.reported_ns =
            records.iter().filter_map(|r| r.noticed_ns).max().unwrap_or(0).max(since_ns);
        let is_new = |record: &&Arc<PollRecord>| record.noticed_ns.is_none_or(|at| at > since_ns);
        // A poll on the previous runtime may still be running.
        let is_current = |record: &&Arc<PollRecord>| {
            record.runtime.zip(runtime).is_none_or(|(of_poll, current)| of_poll == current)
        };
        let evidence = |record: &Arc<PollRecord>| {
            let worker = record.thread.and_then(&worker_of);
            Arc::new(Evidence { worker, ..record.evidence() })
        };
        records.iter().filter(is_new).filter(is_current).take(LONG_POLLS).map(evidence).collect()
    }

    /// The await point of a task, as far as it is known: (task, number of the request). Requests it
    /// first if the number is new.
    pub(super) fn await_point(
        &mut self,
        request: Option<(u64, u64)>,
        now: u64,
    ) -> Option<AwaitPoint> {
        let is_new = self.requested != request;
        self.requested = request;
        let (task, _) = request?;
        let Some(watchdog) = &self.handle else {
            let answer = Awaits::Unavailable(NO_AWAIT_POINTS.into());
            return Some(AwaitPoint { task, asked_ns: now, answer });
        };
        if is_new {
            watchdog.ask(task);
        }
        watchdog.await_point(task)
    }
}
