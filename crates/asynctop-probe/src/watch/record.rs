//! What is known of a long poll, as plain data.

use std::{sync::Arc, thread::ThreadId};

use asynctop_snapshot::PollKind;

use super::{Cause, LongPoll, PollImpact, ProfileEntry, Stack, TimeWithoutCpu};

/// Whose stacks are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Key of the task, as [`TaskView::key`](crate::accounting::TaskView::key) gives it.
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
    pub impact: Option<Arc<PollImpact>>,
    /// Time inside of it in which the machine, and not the task, prevented progress.
    pub without_cpu: TimeWithoutCpu,
    /// Why there is no stack, if there is none and should be one.
    pub no_stack: Option<Arc<str>>,
    /// Stacks that were captured and whose names are being looked up. They may come when the
    /// poll is over.
    pub unsymbolized: u32,
}

impl PollRecord {
    /// A poll that has begun, with nothing that a sample adds.
    pub(super) fn begun(task: u64, began_ns: u64) -> PollRecord {
        PollRecord {
            kind: PollKind::Poll,
            task,
            runtime: None,
            thread: None,
            thread_name: Arc::default(),
            os_id: None,
            began_ns,
            last_seen_ns: began_ns,
            ended_ns: None,
            noticed_ns: None,
            stacks: Vec::new(),
            other_stacks: 0,
            causes: Vec::new(),
            impact: None,
            without_cpu: TimeWithoutCpu::default(),
            no_stack: None,
            unsymbolized: 0,
        }
    }

    /// How long it took, or has taken already, in nanoseconds.
    pub fn length_ns(&self) -> u64 {
        self.ended_ns.unwrap_or(self.last_seen_ns).saturating_sub(self.began_ns)
    }

    /// What the thread did most of the time.
    pub fn cause(&self) -> Cause {
        self.causes.first().map_or_else(
            || Cause::Unknown("not sampled (too short)".into()),
            |(cause, _)| cause.clone(),
        )
    }

    /// How many stacks were captured.
    pub fn captures(&self) -> u32 {
        self.stacks.iter().map(|(_, count)| count).sum::<u32>() + self.other_stacks
    }

    /// How long it blocked its worker, in nanoseconds: its length less the time without a CPU, as
    /// far as the watchdog has sampled it. 0 in `block_in_place`, which hands the worker over.
    pub fn net_ns(&self) -> u64 {
        match self.stacks.iter().any(|(stack, _)| stack.is_in_block_in_place()) {
            true => 0,
            false => self.length_ns().saturating_sub(self.without_cpu.total_ns()),
        }
    }

    /// Whether the poll cannot be judged yet: the pending stack may show `block_in_place`.
    fn is_undecided(&self) -> bool {
        // After this a poll is judged without a stack; sooner if no stack can come any more. A
        // machine that is slow to run the poll is as slow to capture its stack.
        let patience_ns = match self.ended_ns.is_some() && self.unsymbolized == 0 {
            true => 100_000_000,
            false => 1_000_000_000,
        };
        let is_awaited =
            self.stacks.is_empty() && (self.no_stack.is_none() || self.unsymbolized > 0);
        is_awaited && self.net_ns() < patience_ns
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

    /// A running poll on a thread that the operating system knows.
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
    fn evidence_is_a_profile_by_function() {
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
    fn who_blocks_in_place_has_given_its_worker_away() {
        let given = ("tokio::task::blocking::block_in_place", 78, FrameKind::Runtime);
        let own = ("my::block_in_place", 8, FrameKind::User);
        for (frame, net_ns) in [(given, 0), (own, 300)] {
            let inner = ("sleep", 1, FrameKind::Std);
            let harness = ("instrument::go", 3, FrameKind::Probe);
            let record = record(vec![(stack(&[inner, frame, harness]).into(), 1)]);
            assert_eq!(record.long_poll().net_ns, Some(net_ns));
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
    fn a_stack_without_names_is_on_its_way_also_when_the_poll_is_over() {
        let mut owed = record(Vec::new());
        (owed.ended_ns, owed.unsymbolized) = (Some(400), 2);
        let first_line = owed.long_poll().lines().remove(0);
        assert!(first_line.contains("it is being symbolized"), "{first_line}");
        assert_eq!(owed.long_poll().net_ns, None, "the stack may show block_in_place");
        (owed.unsymbolized, owed.no_stack) = (0, Some("the watchdog has ended".into()));
        let first_line = owed.long_poll().lines().remove(0);
        assert!(first_line.ends_with("stack: – (the watchdog has ended)"), "{first_line}");
        assert_eq!(owed.long_poll().net_ns, Some(300));
    }

    #[test]
    fn no_stack_is_no_profile() {
        let mut without = record(Vec::new());
        without.no_stack = Some("stacks are unavailable on this platform".into());
        let evidence = without.long_poll();
        assert_eq!(evidence.function(), None);
        assert_eq!(evidence.profile_summary(), None);
        assert_eq!(evidence.no_stack, without.no_stack);
    }
}
