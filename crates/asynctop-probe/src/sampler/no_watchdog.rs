//! Replaces `watchdog.rs` without the feature `watchdog`: its part of a snapshot is unavailable.

use std::{sync::Arc, thread::ThreadId};

use asynctop_snapshot::{
    Description, FieldId, LongPoll, MachineStats, StackSample, Stop, ThreadTimes,
};

const REASON: &str = "requires the feature `watchdog` of asynctop-probe";

pub(super) fn thread_times(_os_id: u32) -> Option<ThreadTimes> {
    None
}

pub(super) struct WatchReader;

impl WatchReader {
    pub(super) fn none() -> Self {
        WatchReader
    }

    pub(super) fn describe(&self, description: Description) -> Description {
        let fields = [FieldId::Machine, FieldId::LongPolls, FieldId::AwaitPoint];
        description.without(fields, REASON)
    }

    pub(super) fn stops(&self) -> Vec<Stop> {
        Vec::new()
    }

    pub(super) fn machine(_: Vec<Stop>, _: Option<u64>) -> Option<MachineStats> {
        None
    }

    pub(super) fn samples(&self) -> Vec<Arc<StackSample>> {
        Vec::new()
    }

    pub(super) fn long_polls(
        &mut self,
        _: Option<u32>,
        _: impl Fn(ThreadId) -> Option<usize>,
        _: u64,
    ) -> Vec<Arc<LongPoll>> {
        Vec::new()
    }
}
