//! What is known of a long poll, as plain data.

use std::{sync::Arc, thread::ThreadId};

use crate::probe::PollKind;

use super::{Cause, Cost, Evidence, Share, Stack, TimeWithoutCpu};

#[cfg(feature = "watch")]
/// Whose stacks are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A long poll's: by its thread, its task and when it began. It may be over by then.
    Poll { os_id: u32, task: u64, began_ns: u64 },
    /// A sample of a busy thread in a short poll.
    Sample { task: u64, poll_began_ns: u64, taken_ns: u64, cause: Cause },
    /// An idle task's, which was asked where it waits.
    #[allow(dead_code, reason = "nobody can be asked where Tokio has no task dumps")]
    Idle { task: u64 },
}

/// One poll that took longer than the threshold, or takes longer already.
#[derive(Clone, Debug)]
pub struct PollRecord {
    /// Whether it is a poll, or the drop of a future.
    pub kind: PollKind,
    /// Key of the task, as [`TaskView::key`](crate::probe::TaskView::key) gives it.
    pub task: u64,
    /// Number of the runtime that the task was spawned on, where that is stated; `None` if the task
    /// is no longer known.
    pub runtime: Option<u32>,
    /// The thread that polls, as `std` and Tokio name it; `None` if it has ended.
    pub thread: Option<ThreadId>,
    /// The thread's name, empty if it has none.
    pub thread_name: Arc<str>,
    /// The thread as the operating system numbers it, where that is known.
    pub os_id: Option<u32>,
    /// When the poll began, in nanoseconds on the probe's clock. No two polls of a
    /// thread share it.
    pub began_ns: u64,
    /// When the watchdog last saw it last, in nanoseconds on the probe's clock.
    pub last_seen_ns: u64,
    /// When it ended, in nanoseconds on the probe's clock, or somewhat later: by no more than
    /// a look at the threads is apart from the next. `None` while it lasts.
    pub ended_ns: Option<u64>,
    /// When the watchdog saw that it was over, in nanoseconds on the probe's clock.
    pub noticed_ns: Option<u64>,
    /// The stacks, those seen most often first, and how often each was seen.
    pub stacks: Vec<(Arc<Stack>, u32)>,
    /// Stacks that were captured and are not in `stacks`: there were too many different.
    pub other_stacks: u32,
    /// What the thread did, and for how many nanoseconds, longest first. Only time that
    /// was looked at.
    pub causes: Vec<(Cause, u64)>,
    /// What it has cost the others, once that was looked at.
    pub cost: Option<Arc<Cost>>,
    /// Time inside of it in which the machine, and not the task, prevented progress.
    pub without_cpu: TimeWithoutCpu,
    /// Why there is no stack, if there is none and should be one.
    pub no_stack: Option<Arc<str>>,
    /// Stacks that were captured and whose names are being looked up. They may come when the
    /// poll is over.
    pub unnamed: u32,
}

impl PollRecord {
    /// How long it took, or has taken already, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.ended_ns.unwrap_or(self.last_seen_ns).saturating_sub(self.began_ns)
    }

    /// What the thread did most of the time.
    pub fn cause(&self) -> Cause {
        self.causes.first().map_or(Cause::Unknown("not looked at yet"), |(cause, _)| *cause)
    }

    /// How many stacks were captured.
    pub fn captures(&self) -> u32 {
        self.stacks.iter().map(|(_, count)| count).sum::<u32>() + self.other_stacks
    }

    /// How long it blocked its worker, in nanoseconds: its length less the time without a CPU, as
    /// far as the watchdog has sampled it. 0 in `block_in_place`, which hands the worker over.
    pub fn own_ns(&self) -> u64 {
        match self.stacks.iter().any(|(stack, _)| stack.has_given_way()) {
            true => 0,
            false => self.length_ns().saturating_sub(self.without_cpu.total_ns()),
        }
    }

    /// Whether the poll cannot be judged yet: the pending stack may show `block_in_place`.
    fn is_undecided(&self) -> bool {
        // After this a poll is judged without a stack; sooner if no stack can come any more. A
        // machine that is slow to run the poll is as slow to capture its stack.
        let patience_ns = match self.ended_ns.is_some() && self.unnamed == 0 {
            true => 100_000_000,
            false => 1_000_000_000,
        };
        let is_awaited = self.stacks.is_empty() && (self.no_stack.is_none() || self.unnamed > 0);
        is_awaited && self.own_ns() < patience_ns
    }

    /// What a finding needs to say where and why.
    pub fn evidence(&self) -> Evidence {
        Evidence {
            kind: self.kind,
            task: self.task,
            began_ns: self.began_ns,
            length_ns: self.length_ns(),
            is_least: false,
            worker: None,
            over: self.ended_ns.is_some(),
            cause: self.cause(),
            own_ns: (!self.is_undecided()).then(|| self.own_ns()),
            without_cpu: self.without_cpu,
            captures: self.captures(),
            shares: Share::of_stacks(&self.stacks, self.captures()),
            stack: self.stacks.first().map(|(stack, _)| stack.clone()),
            cost: self.cost.clone(),
            no_stack: self.no_stack.clone(),
            unnamed: self.unnamed,
        }
    }
}
