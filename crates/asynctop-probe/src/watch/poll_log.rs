//! The records of long polls: the running ones and the latest that have ended.

use std::{collections::VecDeque, sync::Arc};

use super::{Cause, PollRecord, Stack};

/// Maximum number of different stacks per record.
const MAX_STACKS: usize = 24;
/// Maximum number of different causes per record: a poll may loop over many system calls.
const MAX_CAUSES: usize = 16;
/// Maximum number of ended blocking polls that are kept.
const MAX_BLOCKING: usize = 64;

pub(super) struct PollLog {
    /// The index of the thread's slot, and the poll.
    running: Vec<(usize, Arc<PollRecord>)>,
    /// Task and start of the running polls that readers may have seen as long polls.
    reported: Vec<(u64, u64)>,
    /// Ended polls shorter than `blocking_poll_ns`, oldest first.
    long: VecDeque<Arc<PollRecord>>,
    /// Longer ones, oldest first. Separate, so that many shorter polls do not push them out.
    blocking: VecDeque<Arc<PollRecord>>,
    max_long: usize,
    long_poll_ns: u64,
    blocking_poll_ns: u64,
}

impl PollLog {
    /// Keeps up to `max_long` ended polls of `long_poll_ns` to `blocking_poll_ns`, and
    /// [`MAX_BLOCKING`] longer ones. Time without a CPU does not count.
    pub(super) fn new(max_long: usize, long_poll_ns: u64, blocking_poll_ns: u64) -> Self {
        PollLog {
            running: Vec::new(),
            reported: Vec::new(),
            long: VecDeque::new(),
            blocking: VecDeque::new(),
            max_long,
            long_poll_ns,
            blocking_poll_ns,
        }
    }

    /// Adds a running poll. If it has a record (another measured future was polled inside it, so it
    /// seemed to have ended), that record is continued.
    pub(super) fn open(&mut self, slot: usize, record: PollRecord) {
        let is_same = |old: &Arc<PollRecord>| {
            old.began_ns == record.began_ns && old.os_id == record.os_id && old.task == record.task
        };
        let known = [&mut self.long, &mut self.blocking].into_iter().find_map(|ended| {
            let at = ended.iter().rposition(is_same)?;
            ended.remove(at)
        });
        let mut record = known.unwrap_or_else(|| Arc::new(record));
        let running = Arc::make_mut(&mut record);
        (running.ended_ns, running.changed_ns) = (None, None);
        self.running.push((slot, record));
    }

    /// The poll on a thread has ended, which was detected at `now`.
    pub(super) fn close(&mut self, slot: usize, ended_ns: u64, now: u64) {
        let Some(at) = self.running.iter().position(|(on, _)| *on == slot) else { return };
        let (_, mut record) = self.running.swap_remove(at);
        let ended = Arc::make_mut(&mut record);
        (ended.ended_ns, ended.changed_ns) = (Some(ended_ns), Some(now));
        let net_ns = record.length_ns().saturating_sub(record.without_cpu.total_ns());
        let poll = (record.task, record.began_ns);
        let was_reported = self.reported.iter().position(|reported| *reported == poll);
        was_reported.map(|at| self.reported.swap_remove(at));
        // The poll only lacked a CPU, and no reader has seen it as a long poll.
        if net_ns < self.long_poll_ns && was_reported.is_none() {
            return;
        }
        let (ended, max) = match net_ns >= self.blocking_poll_ns {
            true => (&mut self.blocking, MAX_BLOCKING),
            false => (&mut self.long, self.max_long),
        };
        ended.push_back(record);
        while ended.len() > max {
            ended.pop_front();
        }
    }

    /// Changes the record of the poll on a thread.
    pub(super) fn update(&mut self, slot: usize, change: impl FnOnce(&mut PollRecord)) {
        if let Some((_, record)) = self.running.iter_mut().find(|(on, _)| *on == slot) {
            change(Arc::make_mut(record));
            let poll = (record.task, record.began_ns);
            if record.net_ns() >= self.long_poll_ns && !self.reported.contains(&poll) {
                self.reported.push(poll);
            }
        }
    }

    /// Adds symbolized stacks of a poll (thread, task and start), captured at `taken_ns`. If it has ended,
    /// its record changes at `now`.
    pub(super) fn add_stacks(
        &mut self,
        poll: (u32, u64, u64),
        stacks: Vec<Stack>,
        (taken_ns, now): (u64, u64),
    ) {
        let is_same = |record: &&mut Arc<PollRecord>| {
            (record.os_id, record.task, record.began_ns) == (Some(poll.0), poll.1, poll.2)
        };
        let Some(record) = self.all_mut().find(is_same) else { return };
        let record = Arc::make_mut(record);
        record.unsymbolized = record.unsymbolized.saturating_sub(1);
        record.changed_ns = record.changed_ns.map(|_| now);
        stacks.into_iter().for_each(|stack| record.add_stack(stack, taken_ns));
    }

    /// Fails all stacks that are not symbolized yet, with this reason.
    pub(super) fn fail_pending_stacks(&mut self, why: &'static str, now: u64) {
        for record in self.all_mut().filter(|record| record.unsymbolized > 0) {
            let record = Arc::make_mut(record);
            record.unsymbolized = 0;
            record.changed_ns = record.changed_ns.map(|_| now);
            record.set_no_stack_reason(why);
        }
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Arc<PollRecord>> {
        let running = self.running.iter_mut().map(|(_, record)| record);
        running.chain(&mut self.long).chain(&mut self.blocking)
    }

    /// Whether stacks are being symbolized.
    pub(super) fn has_pending_stacks(&self) -> bool {
        let running = self.running.iter().map(|(_, record)| record);
        running.chain(&self.long).chain(&self.blocking).any(|record| record.unsymbolized > 0)
    }

    /// The running polls first, then the ended ones, latest first.
    pub(super) fn records(&self) -> Vec<Arc<PollRecord>> {
        let mut ended: Vec<_> = self.long.iter().chain(&self.blocking).cloned().collect();
        ended.sort_by_key(|record| std::cmp::Reverse(record.ended_ns));
        let running = self.running.iter().map(|(_, record)| record.clone());
        running.chain(ended).collect()
    }

    /// The long poll that a task is in now.
    pub(super) fn current(&self, task: u64) -> Option<Arc<PollRecord>> {
        let mut polls = self.running.iter().map(|(_, record)| record);
        polls.find(|record| record.task == task).cloned()
    }
}

impl PollRecord {
    /// Sets why there is no stack, unless there is one or one is being symbolized.
    pub(super) fn set_no_stack_reason(&mut self, why: &'static str) {
        if self.stacks.is_empty() && self.unsymbolized == 0 {
            self.no_stack = Some(why.into());
        }
    }

    /// Adds a stack captured at `taken_ns`, after those before it.
    pub(super) fn add_stack(&mut self, stack: Stack, taken_ns: u64) {
        self.no_stack = None;
        if stack.is_in_block_in_place() {
            self.handed_over_ns.get_or_insert(self.latest_stack_ns);
        }
        self.latest_stack_ns = taken_ns;
        match self.stacks.iter().position(|(known, _)| known.is_same_location(&stack)) {
            Some(mut at) => {
                self.stacks[at].1 += 1;
                while at > 0 && self.stacks[at - 1].1 < self.stacks[at].1 {
                    self.stacks.swap(at - 1, at);
                    at -= 1;
                }
            }
            None if self.stacks.len() < MAX_STACKS => self.stacks.push((Arc::new(stack), 1)),
            None => self.other_stacks += 1,
        }
    }

    /// Adds time to a cause.
    pub(super) fn add_cause(&mut self, cause: Cause, nanos: u64) {
        match self.causes.iter().position(|(known, _)| *known == cause) {
            Some(at) => self.causes[at].1 += nanos,
            None if self.causes.len() < MAX_CAUSES => self.causes.push((cause, nanos)),
            None => {}
        }
        self.causes.sort_by_key(|(_, nanos)| std::cmp::Reverse(*nanos));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::watch::{Frame, FrameKind, TimeWithoutCpu, record::testing::record};

    fn stack(name: &str) -> Stack {
        Stack { frames: vec![Frame::new(name, FrameKind::User)], cut: None }
    }

    #[test]
    fn blocking_polls_are_not_pushed_out_by_shorter_long_polls() {
        let mut log = PollLog::new(3, 1, 100);
        log.open(0, record(1, 0));
        log.close(0, 200, 210);
        for began in 1..10 {
            log.open(0, record(2, 1000 * began));
            log.close(0, 1000 * began + 20, 1000 * began + 30);
        }
        let records = log.records();
        let kept: Vec<_> = records.iter().map(|record| (record.task, record.began_ns)).collect();
        assert_eq!(kept, [(2, 9000), (2, 8000), (2, 7000), (1, 0)]);
    }

    #[test]
    fn record_of_a_poll_that_reappears_is_continued() {
        let mut log = PollLog::new(3, 1, 100);
        log.open(0, record(1, 5));
        log.update(0, |record| record.add_stack(stack("a"), 10));
        log.close(0, 20, 30);
        log.open(0, record(1, 5));
        let current = log.current(1).expect("it is running");
        assert_eq!((current.ended_ns, current.captures()), (None, 1));
        assert_eq!(log.records().len(), 1);
        assert!(log.current(2).is_none());
    }

    #[test]
    fn stack_symbolized_late_changes_the_record_of_an_ended_poll() {
        let poll = |began_ns| (1, 1, began_ns);
        let mut log = PollLog::new(3, 1, 100);
        for began in [5, 300] {
            log.open(0, record(1, began));
            log.update(0, |record| record.unsymbolized = 1);
            log.close(0, began + 20, began + 30);
        }
        log.add_stacks(poll(5), vec![stack("a")], (10, 700));
        log.add_stacks(poll(6), vec![stack("b")], (10, 800));
        let of = |log: &PollLog, at: usize| {
            let record = log.records().swap_remove(at);
            (record.captures(), record.unsymbolized, record.changed_ns)
        };
        assert_eq!(of(&log, 1), (1, 0, Some(700)));
        assert_eq!(of(&log, 0), (0, 1, Some(330)), "a stack of another poll is not added");
        assert!(log.has_pending_stacks());
        log.fail_pending_stacks("the watchdog has ended", 900);
        assert_eq!(of(&log, 0), (0, 0, Some(900)));
        assert_eq!(log.records()[0].no_stack.as_deref(), Some("the watchdog has ended"));
        assert!(!log.has_pending_stacks() && log.records()[1].no_stack.is_none());
    }

    #[test]
    fn poll_that_only_lacked_a_cpu_is_not_kept() {
        let mut log = PollLog::new(3, 50, 100);
        let without = |run_delay_ns| TimeWithoutCpu { run_delay_ns, ..TimeWithoutCpu::default() };
        log.open(0, record(1, 0));
        log.update(0, |record| (record.last_seen_ns, record.without_cpu) = (60, without(30)));
        log.close(0, 200, 210);
        assert_eq!(log.records().len(), 1, "170 with a CPU");
        log.open(0, record(2, 1000));
        log.update(0, |record| (record.last_seen_ns, record.without_cpu) = (1200, without(160)));
        assert_eq!(log.records()[0].net_ns(), 40);
        log.close(0, 1200, 1210);
        assert_eq!(log.records().len(), 1);
        log.open(0, record(3, 2000));
        log.update(0, |record| record.last_seen_ns = 2060);
        log.update(0, |record| record.without_cpu = without(40));
        log.close(0, 2080, 2090);
        let records = log.records();
        let ended = records.iter().find(|record| record.task == 3);
        assert!(ended.is_some_and(|ended| ended.ended_ns.is_some()), "its end is recorded");
    }

    #[test]
    fn stacks_are_sorted_by_frequency() {
        let mut record = record(1, 0);
        for name in ["a", "b", "b", "c", "b"] {
            record.add_stack(stack(name), 1);
        }
        let counts: Vec<_> = record.stacks.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [3, 1, 1]);
        for name in 0..100 {
            record.add_stack(stack(&name.to_string()), 1);
        }
        assert_eq!(record.stacks.len(), MAX_STACKS);
        assert_eq!(record.captures(), 105, "all are counted");
    }

    #[test]
    fn causes_are_summed_and_sorted_by_time() {
        let mut record = record(1, 0);
        record.add_cause(Cause::NoCpu, 10);
        record.add_cause(Cause::Computing, 8);
        assert_eq!(record.cause(), Cause::NoCpu);
        record.add_cause(Cause::Computing, 8);
        assert_eq!(record.causes, [(Cause::Computing, 16), (Cause::NoCpu, 10)]);
    }
}
