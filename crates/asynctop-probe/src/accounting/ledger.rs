//! The accounting of one task: polls, wakes, and the division of its lifetime into busy, scheduled
//! and idle time. Time is an argument here, in nanoseconds.
//!
//! # Writers
//! Only the thread that polls the task (or drops it) writes the sums; it uses plain loads and stores.
//! Wakers on any thread write the state word, by compare-and-exchange, and `redundant_wakes`.
//!
//! The word holds the state and the time at which it began. A waker that finds the task idle changes
//! the word to *woken* and writes nothing else: the next poll reads the time of the wake from the
//! word and adds the scheduled time since. Idle time is the rest of the lifetime. So the interval
//! between two polls is accounted for once, by one thread, at one time.
//!
//! # Readers
//! The sums and the word change together under a [`SeqLock`], with the polling thread as its only
//! writer. A reader adds the running interval up to its own `now` to a coherent set:
//! `lifetime = busy + scheduled + idle` holds for each reading, also during a poll. Counts only grow
//! from one reading to the next. So do times, except for an event that read the clock before the
//! earlier reading and was published after it: then the later reading is correct, and a few
//! nanoseconds move from one sum to another. A poll that the watchdog has caused is idle time, unless
//! it ends the task: then it is busy time.
//!
//! `ledger_tests.rs` compares every statistic with a simple model; `ledger_loom.rs` runs the
//! interleavings of poller, wakers and reader.

use super::{
    reading::{Outcome, Reading},
    sync::{AtomicU64, Ordering, SeqLock},
    word::{
        CANCELLED, CREATED, DROPPING, IDLE, NESTED_QUERIED, POLLING, POLLING_WOKEN, QUERIED,
        QUERIED_WOKEN, QUERY_POLLING, QUERY_POLLING_WOKEN, SCHEDULED, VACANT, WOKEN, final_state,
        pack, public_state, unpack,
    },
};
use asynctop_snapshot::State;

/// The accounting of one task. The fields that each poll accesses come first and fill one cache line
/// of the cell.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ledger {
    word: AtomicU64,
    seq_lock: SeqLock,
    busy: AtomicU64,
    scheduled: AtomicU64,
    polls: AtomicU64,
    wakes: AtomicU64,
    max_poll: AtomicU64,
    max_delay: AtomicU64,

    created: AtomicU64,
    self_wakes: AtomicU64,
    /// Wakes without effect: the task was scheduled or woken already, or has ended.
    redundant_wakes: AtomicU64,
}

/// The start of a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    pub at: u64,
    /// The scheduling delay; `None` if the task was not woken.
    pub delay: Option<u64>,
    pub mode: Mode,
}

/// How a future is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    /// After a trace of its await points.
    Traced,
    /// A poll caused by the watchdog: not counted, unless it ends the task.
    Query,
    /// A poll caused by the watchdog, after a trace.
    TracedQuery,
}

/// Adds to a field that only this thread writes.
#[inline(always)]
fn add(field: &AtomicU64, by: u64) {
    field.store(field.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

#[inline(always)]
fn raise(field: &AtomicU64, to: u64) {
    if to > field.load(Ordering::Relaxed) {
        field.store(to, Ordering::Relaxed);
    }
}

impl Ledger {
    /// The ledger of a vacant slot.
    pub(crate) fn vacant() -> Self {
        let zero = || AtomicU64::new(0);
        Ledger {
            word: AtomicU64::new(pack(VACANT, 0)),
            seq_lock: SeqLock::new(),
            busy: zero(),
            scheduled: zero(),
            polls: zero(),
            wakes: zero(),
            max_poll: zero(),
            max_delay: zero(),
            created: zero(),
            self_wakes: zero(),
            redundant_wakes: zero(),
        }
    }

    /// Starts the accounting of a future created at `now`. A `root` future is a task of its own and
    /// scheduled from its creation; any other one is idle until it is polled. The caller has
    /// exclusive access to the ledger.
    pub(crate) fn open(&self, now: u64, root: bool) {
        let sums = [&self.redundant_wakes, &self.busy, &self.scheduled, &self.polls];
        let rest = [&self.wakes, &self.self_wakes, &self.max_poll, &self.max_delay];
        for field in sums.into_iter().chain(rest) {
            field.store(0, Ordering::Relaxed);
        }
        self.created.store(now, Ordering::Relaxed);
        // A reader that sees this also sees the stores above, and none of the previous task.
        let state = if root { SCHEDULED } else { CREATED };
        self.word.store(pack(state, now), Ordering::Release);
    }

    /// Removes the task. The caller has exclusive access to the ledger.
    pub(crate) fn clear(&self) {
        self.word.store(pack(VACANT, 0), Ordering::Release);
    }

    /// Starts a poll.
    ///
    /// Each poll of a `root` future (a task of its own) follows a wake. If its word is idle, the
    /// wake was recorded before the last poll, but Tokio's waker was called after that poll had
    /// begun, so the task has been scheduled since that poll ended. A nested future may be polled
    /// because of its siblings, so there the idle state was correct.
    ///
    /// `in_query` returns whether the poll is nested in a query poll: unless the future was woken, this
    /// is a query poll, too. It is called only if it is needed.
    #[inline(always)]
    pub(crate) fn poll_started(&self, now: u64, root: bool, in_query: fn() -> bool) -> Started {
        let mut started = Started { at: now, delay: None, mode: Mode::Plain };
        self.seq_lock.write(|| {
            let word = self.word.load(Ordering::Acquire);
            let (state, since) = unpack(word);
            if !matches!(state, SCHEDULED | WOKEN) {
                started = self.unscheduled_poll_started(word, now, root, in_query);
                return;
            }
            // Scheduled: wakers do not change the word.
            started.at = now.max(since);
            self.word.store(pack(POLLING, started.at), Ordering::Release);
            add(&self.wakes, u64::from(state == WOKEN));
            started.delay = Some(started.at - since);
            self.count_poll(started.delay);
        });
        started
    }

    /// Starts a poll of a future whose `word` is created, idle or queried. Not inlined, so that it
    /// costs nothing in the polls that follow a wake.
    #[inline(never)]
    fn unscheduled_poll_started(
        &self,
        mut word: u64,
        now: u64,
        root: bool,
        in_query: fn() -> bool,
    ) -> Started {
        loop {
            let (state, since) = unpack(word);
            let at = now.max(since);
            let scheduled = matches!(state, SCHEDULED | WOKEN | QUERIED_WOKEN);
            let mode = match state {
                QUERIED => Mode::TracedQuery,
                NESTED_QUERIED => Mode::Query,
                IDLE if !root && in_query() => Mode::Query,
                QUERIED_WOKEN => Mode::Traced,
                _ => Mode::Plain,
            };
            let is_query_poll = matches!(mode, Mode::Query | Mode::TracedQuery);
            let next = if is_query_poll { pack(QUERY_POLLING, since) } else { pack(POLLING, at) };
            // A waker may change the word concurrently.
            let order = Ordering::AcqRel;
            if let Err(newer) = self.word.compare_exchange(word, next, order, Ordering::Acquire) {
                word = newer;
                continue;
            }
            if is_query_poll {
                return Started { at, delay: None, mode };
            }
            add(&self.wakes, u64::from(matches!(state, WOKEN | QUERIED_WOKEN)));
            let delay = (scheduled || root).then(|| at - since);
            self.count_poll(delay);
            return Started { at, delay, mode };
        }
    }

    #[inline(always)]
    fn count_poll(&self, delay: Option<u64>) {
        if let Some(delay) = delay {
            add(&self.scheduled, delay);
            raise(&self.max_delay, delay);
        }
        add(&self.polls, 1);
    }

    /// Ends the poll that began at `began`, and the task if there is an outcome. Returns the poll's
    /// length.
    #[inline(always)]
    pub(crate) fn poll_ended(&self, began: u64, now: u64, end: Option<Outcome>) -> u64 {
        let now = now.max(began);
        let length = now - began;
        self.seq_lock.write(|| {
            add(&self.busy, length);
            raise(&self.max_poll, length);
            let next = end.map_or(IDLE, final_state);
            let exchanged = self.word.compare_exchange(
                pack(POLLING, began),
                pack(next, now),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if exchanged.is_err() {
                // Woken during the poll: wakers no longer change the word.
                add(&self.wakes, 1);
                let next = end.map_or(SCHEDULED, final_state);
                self.word.store(pack(next, now), Ordering::Release);
            }
        });
        length
    }

    /// Ends a poll caused by the watchdog, and the task if there is an outcome: then the poll is
    /// counted, because no other poll has this outcome. Returns the poll's length.
    pub(crate) fn query_poll_ended(&self, began: u64, now: u64, end: Option<Outcome>) -> u64 {
        let now = now.max(began);
        let length = now - began;
        self.seq_lock.write(|| {
            let mut word = self.word.load(Ordering::Acquire);
            loop {
                let (state, since) = unpack(word);
                let woken = state == QUERY_POLLING_WOKEN;
                let next = match end {
                    Some(outcome) => pack(final_state(outcome), now),
                    None if woken => pack(WOKEN, now),
                    None => pack(IDLE, since),
                };
                let order = Ordering::AcqRel;
                if let Err(newer) = self.word.compare_exchange(word, next, order, Ordering::Acquire)
                {
                    word = newer;
                    continue;
                }
                if end.is_some() {
                    add(&self.polls, 1);
                    add(&self.busy, length);
                    raise(&self.max_poll, length);
                    add(&self.wakes, u64::from(woken));
                }
                break;
            }
        });
        length
    }

    /// Starts the drop of a future outside a poll, before it has completed: the task is no longer
    /// scheduled. Returns when the drop begins.
    pub(crate) fn drop_started(&self, now: u64) -> u64 {
        self.leave(now, DROPPING)
    }

    /// The future was dropped outside a poll, before it had completed.
    pub(crate) fn cancelled(&self, now: u64) {
        self.leave(now, CANCELLED);
    }

    /// Changes to a state in which the task is not polled again. Returns when that state begins.
    fn leave(&self, now: u64, next: u64) -> u64 {
        let mut at = now;
        self.seq_lock.write(|| {
            let mut word = self.word.load(Ordering::Acquire);
            loop {
                let (state, since) = unpack(word);
                at = now.max(since);
                let next = pack(next, at);
                if let Err(newer) =
                    self.word.compare_exchange(word, next, Ordering::AcqRel, Ordering::Acquire)
                {
                    word = newer;
                    continue;
                }
                if matches!(state, SCHEDULED | WOKEN | QUERIED_WOKEN) {
                    add(&self.scheduled, at - since);
                    raise(&self.max_delay, at - since);
                }
                if matches!(state, WOKEN | QUERIED_WOKEN) {
                    add(&self.wakes, 1);
                }
                break;
            }
        });
        at
    }

    /// Marks an idle task for an await-point query, for which the watchdog is about to have it polled.
    /// The task stays idle. The poll is traced and, unless the task is woken first, not counted.
    /// `false` if the task is not idle.
    #[cfg(any(feature = "watchdog", test))]
    pub(crate) fn query(&self) -> bool {
        self.mark(QUERIED)
    }

    /// Marks a task that is about to be polled for the query of a nested future. Like
    /// [`query`](Self::query), without a trace.
    #[cfg(feature = "watchdog")]
    pub(crate) fn query_nested(&self) -> bool {
        self.mark(NESTED_QUERIED)
    }

    #[cfg(any(feature = "watchdog", test))]
    fn mark(&self, mark: u64) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let (state, since) = unpack(word);
        let marked = pack(mark, since);
        let order = Ordering::AcqRel;
        // Fails after a concurrent wake, by which the task is polled anyway.
        state == IDLE && self.word.compare_exchange(word, marked, order, Ordering::Acquire).is_ok()
    }

    /// A waker of the task is called. `now` returns the time and is only called if it is needed.
    #[inline(always)]
    pub(crate) fn woken(&self, now: impl Fn() -> u64) {
        let word = self.word.load(Ordering::Acquire);
        let (state, since) = unpack(word);
        if state != IDLE {
            return self.woken_in_another_state(word, now);
        }
        let woken = pack(WOKEN, now().max(since));
        if let Err(newer) =
            self.word.compare_exchange(word, woken, Ordering::AcqRel, Ordering::Acquire)
        {
            self.woken_in_another_state(newer, now);
        }
    }

    /// Like `woken`, in any state. Not inlined, so that the wake of an idle task needs no jump
    /// table.
    #[inline(never)]
    fn woken_in_another_state(&self, mut word: u64, now: impl Fn() -> u64) {
        loop {
            let (state, since) = unpack(word);
            let next = match state {
                IDLE | NESTED_QUERIED => pack(WOKEN, now().max(since)),
                QUERIED => pack(QUERIED_WOKEN, now().max(since)),
                POLLING => pack(POLLING_WOKEN, since),
                QUERY_POLLING => pack(QUERY_POLLING_WOKEN, since),
                _ => {
                    self.redundant_wakes.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            let order = Ordering::AcqRel;
            match self.word.compare_exchange(word, next, order, Ordering::Acquire) {
                Ok(_) => return,
                Err(newer) => word = newer,
            }
        }
    }

    /// Counts the last wake as a self-wake. Called only by the polling thread.
    pub(crate) fn woken_by_itself(&self) {
        self.seq_lock.write(|| add(&self.self_wakes, 1));
    }

    /// Runs `write` so that a reader sees all or none of it. Called only by the polling thread.
    pub(crate) fn publish(&self, write: impl FnOnce()) {
        self.seq_lock.write(write);
    }

    /// The result of `read` while no `publish` is running.
    pub(crate) fn coherent<T>(&self, read: impl Fn() -> T) -> T {
        self.seq_lock.read(read)
    }

    /// A coherent reading at `now`, with the result of `extra` from the same moment; `None` if the
    /// slot is vacant.
    pub(crate) fn read<T>(&self, now: u64, extra: impl Fn() -> T) -> Option<(Reading, T)> {
        let (reading, extra) = self.seq_lock.read(|| (self.read_unchecked(now), extra()));
        reading.map(|reading| (reading, extra))
    }

    fn read_unchecked(&self, now: u64) -> Option<Reading> {
        let of = |field: &AtomicU64| field.load(Ordering::Relaxed);
        // First, and with acquire: `open` writes outside the lock.
        let (word_state, since) = unpack(self.word.load(Ordering::Acquire));
        if word_state == VACANT {
            return None;
        }
        let (created, mut busy, mut scheduled) =
            (of(&self.created), of(&self.busy), of(&self.scheduled));
        let (mut max_poll, mut max_delay) = (of(&self.max_poll), of(&self.max_delay));
        let has_uncounted_wake =
            matches!(word_state, WOKEN | QUERIED_WOKEN | POLLING_WOKEN | QUERY_POLLING_WOKEN);
        let state = public_state(word_state);
        let now = if state.is_done() { since } else { now.max(since) };
        // Wrapping, because a torn set may hold anything.
        let running = now.wrapping_sub(since);
        match state {
            State::Polling => {
                busy = busy.wrapping_add(running);
                max_poll = max_poll.max(running);
            }
            State::Scheduled => {
                scheduled = scheduled.wrapping_add(running);
                max_delay = max_delay.max(running);
            }
            _ => {}
        }
        let lifetime = now.wrapping_sub(created);
        Some(Reading {
            state,
            since,
            lifetime,
            busy,
            scheduled,
            idle: lifetime.wrapping_sub(busy).wrapping_sub(scheduled),
            polls: of(&self.polls),
            wakes: of(&self.wakes)
                .wrapping_add(of(&self.redundant_wakes))
                .wrapping_add(u64::from(has_uncounted_wake)),
            self_wakes: of(&self.self_wakes),
            max_poll,
            max_delay,
        })
    }
}
