//! What the watchdog has seen: the long polls under way and the latest that are over.

use std::{collections::VecDeque, sync::Arc};

use super::{Cause, PollRecord, Stack, record::Owner};

/// Different stacks that one record keeps.
const STACKS: usize = 24;
/// Polls over the greater threshold that are kept when they are over.
const HELD: usize = 64;

/// Long polls, by the thread that they are on.
pub(super) struct Log {
    /// The index of the thread's slot, and the poll.
    under_way: Vec<(usize, Arc<PollRecord>)>,
    /// Tasks and starts of those under way that were long without the time without a CPU.
    long: Vec<(u64, u64)>,
    /// Those that were slow and did not hold their thread, oldest first.
    slow: VecDeque<Arc<PollRecord>>,
    /// Those that held their thread, apart from the others: many polls that are a
    /// little slow shall not push them out.
    held: VecDeque<Arc<PollRecord>>,
    past: usize,
    slow_ns: u64,
    blocked_ns: u64,
}

impl Log {
    /// Keeps `past` polls over `slow_ns`; one over `blocked_ns` blocks its thread. Time without a CPU
    /// does not count.
    pub(super) fn new(past: usize, slow_ns: u64, blocked_ns: u64) -> Self {
        Log {
            under_way: Vec::new(),
            long: Vec::new(),
            slow: VecDeque::new(),
            held: VecDeque::new(),
            past,
            slow_ns,
            blocked_ns,
        }
    }

    /// A long poll was found. If it was there before (another measured future was polled
    /// inside of it, and the two look like one after the other), it goes on.
    pub(super) fn open(&mut self, slot: usize, record: PollRecord) {
        let same = |old: &Arc<PollRecord>| {
            old.began_ns == record.began_ns && old.os_id == record.os_id && old.task == record.task
        };
        let known = [&mut self.slow, &mut self.held].into_iter().find_map(|ring| {
            let at = ring.iter().rposition(same)?;
            ring.remove(at)
        });
        let mut record = known.unwrap_or_else(|| Arc::new(record));
        let anew = Arc::make_mut(&mut record);
        (anew.ended_ns, anew.noticed_ns) = (None, None);
        self.under_way.push((slot, record));
    }

    /// The poll on a thread has ended, which is known since `now`.
    pub(super) fn close(&mut self, slot: usize, ended_ns: u64, now: u64) {
        let Some(at) = self.under_way.iter().position(|(on, _)| *on == slot) else { return };
        let (_, mut record) = self.under_way.swap_remove(at);
        let ended = Arc::make_mut(&mut record);
        (ended.ended_ns, ended.noticed_ns) = (Some(ended_ns), Some(now));
        let net_ns = record.length_ns().saturating_sub(record.without_cpu.total_ns());
        let poll = (record.task, record.began_ns);
        let was_long = self.long.iter().position(|long| *long == poll);
        was_long.map(|at| self.long.swap_remove(at));
        // It only lacked a CPU, and no reader has seen it as a long poll.
        if net_ns < self.slow_ns && was_long.is_none() {
            return;
        }
        let held = net_ns >= self.blocked_ns;
        let (ring, room) = if held { (&mut self.held, HELD) } else { (&mut self.slow, self.past) };
        ring.push_back(record);
        while ring.len() > room {
            ring.pop_front();
        }
    }

    /// Changes what is known of the poll on a thread.
    pub(super) fn update(&mut self, slot: usize, change: impl FnOnce(&mut PollRecord)) {
        if let Some((_, record)) = self.under_way.iter_mut().find(|(on, _)| *on == slot) {
            change(Arc::make_mut(record));
            let poll = (record.task, record.began_ns);
            if record.net_ns() >= self.slow_ns && !self.long.contains(&poll) {
                self.long.push(poll);
            }
        }
    }

    /// Stacks of a poll have their names now, which may be over: then this is news of it.
    pub(super) fn add_stacks(&mut self, owner: &Owner, stacks: Vec<Stack>, now: u64) {
        let under_way = self.under_way.iter_mut().map(|(_, record)| record);
        let mut all = under_way.chain(&mut self.slow).chain(&mut self.held);
        let Some(record) = all.find(|record| record.owner().as_ref() == Some(owner)) else {
            return;
        };
        let record = Arc::make_mut(record);
        record.unsymbolized = record.unsymbolized.saturating_sub(1);
        record.noticed_ns = record.noticed_ns.map(|_| now);
        stacks.into_iter().for_each(|stack| record.add_stack(stack));
    }

    /// No names will come any more.
    pub(super) fn give_up(&mut self, why: &'static str, now: u64) {
        let under_way = self.under_way.iter_mut().map(|(_, record)| record);
        let all = under_way.chain(&mut self.slow).chain(&mut self.held);
        for record in all.filter(|record| record.unsymbolized > 0) {
            let record = Arc::make_mut(record);
            record.unsymbolized = 0;
            record.noticed_ns = record.noticed_ns.map(|_| now);
            record.excuse(why);
        }
    }

    /// Whether stacks wait for their names.
    pub(super) fn owes_names(&self) -> bool {
        let under_way = self.under_way.iter().map(|(_, record)| record);
        under_way.chain(&self.slow).chain(&self.held).any(|record| record.unsymbolized > 0)
    }

    /// All that is kept: what is under way first, then what is over, latest first.
    pub(super) fn records(&self) -> Vec<Arc<PollRecord>> {
        let mut past: Vec<_> = self.slow.iter().chain(&self.held).cloned().collect();
        past.sort_by_key(|record| std::cmp::Reverse(record.ended_ns));
        let under_way = self.under_way.iter().map(|(_, record)| record.clone());
        under_way.chain(past).collect()
    }

    /// The long poll that a task is in right now.
    pub(super) fn current(&self, task: u64) -> Option<Arc<PollRecord>> {
        let mut polls = self.under_way.iter().map(|(_, record)| record);
        polls.find(|record| record.task == task).cloned()
    }
}

impl PollRecord {
    /// Whose its stacks are while their names are looked up.
    fn owner(&self) -> Option<Owner> {
        let (task, began_ns) = (self.task, self.began_ns);
        self.os_id.map(|os_id| Owner::Poll { os_id, task, began_ns })
    }

    /// Why it has no stack, if it has none.
    pub(super) fn excuse(&mut self, why: &'static str) {
        if self.stacks.is_empty() && self.unsymbolized == 0 {
            self.no_stack = Some(why.into());
        }
    }

    /// One more stack of this poll.
    pub(super) fn add_stack(&mut self, stack: Stack) {
        self.no_stack = None;
        match self.stacks.iter().position(|(known, _)| known.is_same_location(&stack)) {
            Some(mut at) => {
                self.stacks[at].1 += 1;
                while at > 0 && self.stacks[at - 1].1 < self.stacks[at].1 {
                    self.stacks.swap(at - 1, at);
                    at -= 1;
                }
            }
            None if self.stacks.len() < STACKS => self.stacks.push((Arc::new(stack), 1)),
            None => self.other_stacks += 1,
        }
    }

    /// The thread did this for so many nanoseconds more.
    pub(super) fn add_cause(&mut self, cause: Cause, nanos: u64) {
        match self.causes.iter().position(|(known, _)| *known == cause) {
            Some(at) => self.causes[at].1 += nanos,
            // A loop over all system calls would be an odd poll, and no reason to grow.
            None if self.causes.len() < 16 => self.causes.push((cause, nanos)),
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
    fn polls_that_held_their_thread_outlive_a_flood_of_slow_ones() {
        let mut log = Log::new(3, 1, 100);
        log.open(0, record(1, 0));
        log.close(0, 200, 210);
        for began in 1..10 {
            log.open(0, record(2, 1000 * began));
            log.close(0, 1000 * began + 20, 1000 * began + 30);
        }
        let kept: Vec<_> =
            log.records().iter().map(|record| (record.task, record.began_ns)).collect();
        assert_eq!(kept, [(2, 9000), (2, 8000), (2, 7000), (1, 0)]);
    }

    #[test]
    fn a_poll_that_is_seen_again_goes_on() {
        let mut log = Log::new(3, 1, 100);
        log.open(0, record(1, 5));
        log.update(0, |record| record.add_stack(stack("a")));
        log.close(0, 20, 30);
        log.open(0, record(1, 5));
        let current = log.current(1).expect("it is under way");
        assert_eq!((current.ended_ns, current.captures()), (None, 1));
        assert_eq!(log.records().len(), 1);
        assert!(log.current(2).is_none());
    }

    #[test]
    fn stacks_that_come_late_are_news_of_a_poll_that_is_over() {
        let owner = |began_ns| Owner::Poll { os_id: 1, task: 1, began_ns };
        let mut log = Log::new(3, 1, 100);
        for began in [5, 300] {
            log.open(0, record(1, began));
            log.update(0, |record| record.unsymbolized = 1);
            log.close(0, began + 20, began + 30);
        }
        log.add_stacks(&owner(5), vec![stack("a")], 700);
        log.add_stacks(&owner(6), vec![stack("b")], 800);
        let of = |log: &Log, at: usize| {
            let record = log.records().swap_remove(at);
            (record.captures(), record.unsymbolized, record.noticed_ns)
        };
        assert_eq!(of(&log, 1), (1, 0, Some(700)));
        assert_eq!(of(&log, 0), (0, 1, Some(330)), "nobody gets another's");
        assert!(log.owes_names());
        log.give_up("the watchdog has ended", 900);
        assert_eq!(of(&log, 0), (0, 0, Some(900)));
        assert_eq!(log.records()[0].no_stack.as_deref(), Some("the watchdog has ended"));
        assert!(!log.owes_names() && log.records()[1].no_stack.is_none());
    }

    #[test]
    fn poll_that_only_lacked_a_cpu_is_not_kept() {
        let mut log = Log::new(3, 50, 100);
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
    fn stacks_are_counted_the_most_frequent_first() {
        let mut record = record(1, 0);
        for name in ["a", "b", "b", "c", "b"] {
            record.add_stack(stack(name));
        }
        let counts: Vec<_> = record.stacks.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [3, 1, 1]);
        for name in 0..100 {
            record.add_stack(stack(&name.to_string()));
        }
        assert_eq!(record.stacks.len(), STACKS);
        assert_eq!(record.captures(), 105, "none is lost");
    }

    #[test]
    fn causes_add_up_the_longest_first() {
        let mut record = record(1, 0);
        record.add_cause(Cause::NoCpu, 10);
        record.add_cause(Cause::Computing, 8);
        assert_eq!(record.cause(), Cause::NoCpu);
        record.add_cause(Cause::Computing, 8);
        assert_eq!(record.causes, [(Cause::Computing, 16), (Cause::NoCpu, 10)]);
    }
}
