//! The record of one long poll.

use std::{panic::Location, sync::Arc, thread::ThreadId};

use asynctop_snapshot::PollKind;

use super::{Cause, LongPoll, PollImpact, ProfileEntry, Stack, TimeWithoutCpu};

/// The owner of a stack that is being symbolized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StackOwner {
    /// A long poll, which may have ended.
    Poll { os_id: u32, task: u64, began_ns: u64, taken_ns: u64 },
    /// A sample of a busy thread in a short poll.
    Sample { task: u64, poll_began_ns: u64, taken_ns: u64, cause: Cause },
    /// An idle task whose await point was requested.
    #[allow(dead_code, reason = "not constructed where Tokio has no task dumps")]
    Idle { task: u64 },
}

/// Symbolized stacks with their owner.
pub(super) type Symbolized = (StackOwner, Vec<Stack>);

/// One poll that took longer than the threshold, or is running and has exceeded it.
#[derive(Clone, Debug)]
pub struct PollRecord {
    /// Whether it is a poll, or the drop of a future.
    pub kind: PollKind,
    /// Key of the task, as [`TaskView::key`](crate::accounting::TaskView::key) returns it.
    pub task: u64,
    /// The task's name; empty if the task is no longer known.
    pub task_name: Arc<str>,
    /// Where the task was spawned; `None` if it is no longer known.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The task's stage when the poll became long.
    pub stage: Option<&'static str>,
    /// Number of the runtime that the task was spawned on, where that is stated; `None` if the task
    /// is no longer known.
    pub runtime: Option<u32>,
    /// The polling thread; `None` if it has ended.
    pub thread: Option<ThreadId>,
    /// The thread's name, empty if it has none.
    pub thread_name: Arc<str>,
    /// The operating system's id of the thread, where it is known.
    pub os_id: Option<u32>,
    /// When the poll began, in nanoseconds on the probe's clock. No two polls of a
    /// thread share it.
    pub began_ns: u64,
    /// When the last sample found it running, in nanoseconds on the probe's clock.
    pub last_seen_ns: u64,
    /// When it ended, in nanoseconds on the probe's clock, or somewhat later: at most one sampling
    /// interval. `None` while it lasts.
    pub ended_ns: Option<u64>,
    /// When the record last changed since the poll's end was detected, in nanoseconds on the
    /// probe's clock; `None` while it lasts.
    pub changed_ns: Option<u64>,
    /// The stacks, most frequent first, and how often each was captured.
    pub stacks: Vec<(Arc<Stack>, u32)>,
    /// Number of captured stacks that are not in `stacks`, because there were too many different
    /// ones.
    pub other_stacks: u32,
    /// How the thread spent the time, in nanoseconds, longest first. Only sampled time.
    pub causes: Vec<(Cause, u64)>,
    /// The scheduling delay caused to other tasks, once it has been measured.
    pub impact: Option<Arc<PollImpact>>,
    /// Time in which the machine, and not the task, prevented progress.
    pub without_cpu: TimeWithoutCpu,
    /// The reason why there is no stack, if one was expected.
    pub no_stack: Option<Arc<str>>,
    /// Number of captured stacks that are being symbolized. They may arrive after the end of the
    /// poll.
    pub unsymbolized: u32,
    /// Until when the poll is known to have blocked its worker, if a stack was in `block_in_place`: the
    /// time of the stack before, or the poll's start.
    pub(super) handed_over_ns: Option<u64>,
    /// The time of the latest stack; the poll's start before the first one.
    pub(super) latest_stack_ns: u64,
}

impl PollRecord {
    /// The record of a poll before its first sample.
    pub(super) fn begun(task: u64, began_ns: u64) -> PollRecord {
        PollRecord {
            kind: PollKind::Poll,
            task,
            task_name: Arc::default(),
            spawned_at: None,
            stage: None,
            runtime: None,
            thread: None,
            thread_name: Arc::default(),
            os_id: None,
            began_ns,
            last_seen_ns: began_ns,
            ended_ns: None,
            changed_ns: None,
            stacks: Vec::new(),
            other_stacks: 0,
            causes: Vec::new(),
            impact: None,
            without_cpu: TimeWithoutCpu::default(),
            no_stack: None,
            unsymbolized: 0,
            handed_over_ns: None,
            latest_stack_ns: began_ns,
        }
    }

    /// The poll's length so far, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.ended_ns.unwrap_or(self.last_seen_ns).saturating_sub(self.began_ns)
    }

    /// The cause with the most time.
    pub fn cause(&self) -> Cause {
        self.causes.first().map_or_else(
            || Cause::Unknown("not sampled (too short)".into()),
            |(cause, _)| cause.clone(),
        )
    }

    /// Number of captured stacks.
    pub fn captures(&self) -> u32 {
        self.stacks.iter().map(|(_, count)| count).sum::<u32>() + self.other_stacks
    }

    /// The time that the poll blocked its worker, in nanoseconds: its length minus the time without
    /// a CPU, as far as the watchdog has sampled it. From `block_in_place` on, which hands the worker's
    /// tasks over to another thread, it blocks none.
    pub fn net_ns(&self) -> u64 {
        let length_ns = match self.handed_over_ns {
            Some(until_ns) => until_ns.saturating_sub(self.began_ns),
            None => self.length_ns(),
        };
        length_ns.saturating_sub(self.without_cpu.total_ns())
    }

    /// Whether the poll cannot be judged yet: the pending stack may show `block_in_place`.
    fn is_undecided(&self) -> bool {
        // A poll of at least this length is judged without a stack. The limit is higher while one
        // may still arrive: a machine that is slow to run the poll is as slow to capture its stack.
        let limit_ns = match self.ended_ns.is_some() && self.unsymbolized == 0 {
            true => 100_000_000,
            false => 1_000_000_000,
        };
        let is_awaited =
            self.stacks.is_empty() && (self.no_stack.is_none() || self.unsymbolized > 0);
        is_awaited && self.net_ns() < limit_ns
    }

    /// The part of the record that a snapshot contains, with revision 0.
    pub fn long_poll(&self) -> LongPoll {
        LongPoll {
            kind: self.kind,
            task: self.task,
            began_ns: self.began_ns,
            revision: 0,
            length_ns: self.length_ns(),
            is_lower_bound: false,
            worker: None,
            is_ended: self.ended_ns.is_some(),
            cause: self.cause(),
            net_ns: (!self.is_undecided()).then(|| self.net_ns()),
            without_cpu: self.without_cpu,
            captures: self.captures(),
            profile: ProfileEntry::from_stacks(&self.stacks, self.captures()),
            stack: self.stacks.first().map(|(stack, _)| stack.clone()),
            impact: self.impact.clone(),
            no_stack: self.no_stack.clone(),
            unsymbolized: self.unsymbolized,
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A running poll on a thread with an id.
    pub(in crate::watch) fn record(task: u64, began_ns: u64) -> PollRecord {
        PollRecord { os_id: Some(1), ..PollRecord::begun(task, began_ns) }
    }
}

#[cfg(test)]
mod tests {
    use super::{testing, *};
    use FrameKind::{Probe, User};
    use asynctop_snapshot::{FrameKind, testing::stack};

    fn record(stacks: Vec<(Arc<Stack>, u32)>) -> PollRecord {
        let causes = vec![(Cause::Computing, 300)];
        PollRecord { last_seen_ns: 400, stacks, causes, ..testing::record(7, 100) }
    }

    #[test]
    fn long_poll_has_a_profile_by_function() {
        let parse = Arc::new(stack(&[("parse", 10, User), ("poll", 1, Probe)]));
        let again = Arc::new(stack(&[("parse", 20, User), ("poll", 1, Probe)]));
        let sum = Arc::new(stack(&[("sum", 30, User), ("poll", 1, Probe)]));
        let evidence = record(vec![(parse, 60), (again, 21), (sum, 19)]).long_poll();
        assert_eq!(evidence.function(), Some("parse"));
        assert_eq!(evidence.blocked_at(), Some("src/x.rs:10"));
        assert_eq!(evidence.profile_summary().as_deref(), Some("81% in parse, 19% in sum"));
        assert_eq!(evidence.length_ns, 300);
    }

    #[test]
    fn time_from_block_in_place_on_blocks_no_worker() {
        let in_place = ("tokio::task::blocking::block_in_place", 78, FrameKind::Runtime);
        let own = ("my::block_in_place", 8, FrameKind::User);
        let in_frame = |frame| {
            stack(&[("sleep", 1, FrameKind::Std), frame, ("instrument::go", 3, FrameKind::Probe)])
        };
        // The poll is in place from its start on, never, and from somewhere after 150 ns on.
        let stacks = [[in_place, in_place], [own, own], [own, in_place]];
        for (frames, net_ns) in stacks.into_iter().zip([0, 300, 150]) {
            let mut record = record(Vec::new());
            for (frame, taken_ns) in frames.into_iter().zip([250, 300]) {
                record.add_stack(in_frame(frame), taken_ns);
            }
            assert_eq!(record.long_poll().net_ns, Some(net_ns));
            // The thread works as another one's worker, if at all.
            record.add_stack(in_frame(own), 350);
            assert_eq!(record.net_ns(), net_ns);
        }
    }

    #[test]
    fn time_without_a_cpu_is_deducted() {
        let mut record = record(vec![(stack(&[("spin", 8, FrameKind::User)]).into(), 1)]);
        record.ended_ns = Some(record.began_ns + 40_000_000);
        record.without_cpu.run_delay_ns = 25_000_000;
        record.without_cpu.steal_ns = 5_000_000;
        let evidence = record.long_poll();
        assert_eq!((evidence.length_ns, evidence.net_ns), (40_000_000, Some(10_000_000)));
        let expected =
            "30.0ms without a CPU is not counted (run-queue delay 25.0ms, steal time 5.00ms)";
        assert!(evidence.lines().iter().any(|line| line == expected), "{:?}", evidence.lines());
    }

    #[test]
    fn stack_is_pending_until_it_is_symbolized_or_has_failed() {
        let mut pending = record(Vec::new());
        (pending.ended_ns, pending.unsymbolized) = (Some(400), 2);
        let first_line = pending.long_poll().lines().remove(0);
        assert!(first_line.contains("it is being symbolized"), "{first_line}");
        assert_eq!(pending.long_poll().net_ns, None, "the stack may show block_in_place");
        (pending.unsymbolized, pending.no_stack) = (0, Some("the watchdog has ended".into()));
        let first_line = pending.long_poll().lines().remove(0);
        assert!(first_line.ends_with("stack: – (the watchdog has ended)"), "{first_line}");
        assert_eq!(pending.long_poll().net_ns, Some(300));
    }

    #[test]
    fn record_without_stacks_has_no_profile() {
        let mut without = record(Vec::new());
        without.no_stack = Some("stacks are unavailable on this platform".into());
        let evidence = without.long_poll();
        assert_eq!(evidence.function(), None);
        assert_eq!(evidence.profile_summary(), None);
        assert_eq!(evidence.no_stack, without.no_stack);
    }
}
