//! The account of one task: polls, wakes, and how its life splits into busy,
//! scheduled and idle time. Time is an argument here, in nanoseconds.
//!
//! # Who writes what
//! Only the thread that polls the task (or drops it) writes the sums; it uses plain
//! loads and stores. Wakers on any thread touch two things: the state word, by
//! compare-and-exchange, and `redundant_wakes`.
//!
//! The word holds the state and the time at which it began. A waker that finds the
//! task idle moves it to *woken* and writes nothing else: whoever polls next reads
//! from the word when the wake was, and settles the time since. Idle time is what is
//! left of the lifetime. So the interval between two polls is accounted for once, by
//! one thread, at one time.
//!
//! # How it is read
//! The sums and the word change together under a [`Sequence`], with the polling thread
//! as its one writer. To a coherent set a reader adds the running interval up to its
//! own `now`: `lifetime = busy + scheduled + idle` holds for each reading, also in the
//! middle of a poll. Counts only grow from one reading to the next. So do times, but
//! for an event that took its time before the earlier reading and was published after
//! it: then the later reading is right, and a few nanoseconds change sides. A poll that the
//! watchdog has caused is idle time until it ends the task, and busy time then.
//!
//! `ledger_tests.rs` compares every figure with a plain model, `ledger_loom.rs` runs
//! the interleavings of poller, wakers and reader.

use super::{
    reading::{Outcome, Reading},
    sync::{AtomicU64, Ordering, Sequence},
    word::{
        ASKED, ASKED_WOKEN, CANCELLED, CREATED, DROPPING, IDLE, NUDGED, POLLING, POLLING_WOKEN,
        PROBED, PROBED_WOKEN, SCHEDULED, VACANT, WOKEN, done, pack, shown, unpack,
    },
};
use asynctop_snapshot::State;

/// The account of one task. What each poll touches comes first: it fills one cache
/// line of the cell.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ledger {
    word: AtomicU64,
    sequence: Sequence,
    busy: AtomicU64,
    scheduled: AtomicU64,
    polls: AtomicU64,
    wakes: AtomicU64,
    max_poll: AtomicU64,
    max_delay: AtomicU64,

    created: AtomicU64,
    self_wakes: AtomicU64,
    /// Wakes that changed nothing: the task was scheduled, woken or done already.
    redundant_wakes: AtomicU64,
}

/// A poll that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started {
    /// When it began.
    pub at: u64,
    /// How long the task had waited for a worker; `None` if nobody had woken it.
    pub delay: Option<u64>,
    /// How the future is to be polled.
    pub how: How,
}

/// How the future is to be polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Once.
    Plain,
    /// After a trace of its await point.
    Traced,
    /// Once, because of the watchdog: the poll is not counted, unless it ends the task.
    Probe,
    /// After a trace, because of the watchdog.
    TracedProbe,
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
    /// A ledger in which nothing lives yet.
    pub(crate) fn vacant() -> Self {
        let zero = || AtomicU64::new(0);
        Ledger {
            word: AtomicU64::new(pack(VACANT, 0)),
            sequence: Sequence::new(),
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

    /// Begins the account of a future made at `now`: of a task of its own (`root`), which is
    /// scheduled from then on, or of one that does nothing until somebody polls it. The
    /// caller owns the ledger alone.
    pub(crate) fn open(&self, now: u64, root: bool) {
        let sums = [&self.redundant_wakes, &self.busy, &self.scheduled, &self.polls];
        let rest = [&self.wakes, &self.self_wakes, &self.max_poll, &self.max_delay];
        for field in sums.into_iter().chain(rest) {
            field.store(0, Ordering::Relaxed);
        }
        self.created.store(now, Ordering::Relaxed);
        // A reader that sees this sees the stores above, and none of the former task's.
        let state = if root { SCHEDULED } else { CREATED };
        self.word.store(pack(state, now), Ordering::Release);
    }

    /// Forgets the task. The caller owns the ledger alone.
    pub(crate) fn clear(&self) {
        self.word.store(pack(VACANT, 0), Ordering::Release);
    }

    /// A poll begins.
    ///
    /// `root` says that the future is a task of its own. Then every poll follows a wake,
    /// so a poll that finds the word idle has overtaken a waker between its look at the
    /// word and its call of Tokio, and the task has been scheduled since its last poll
    /// ended. A future inside a task may be polled for the sake of its neighbours:
    /// there, idle was idle.
    ///
    /// `probed` returns whether the poll is nested in one that the watchdog has caused: unless the
    /// future was woken, the watchdog has caused this one, too. It is only called where the answer
    /// matters.
    #[inline(always)]
    pub(crate) fn poll_started(&self, now: u64, root: bool, probed: fn() -> bool) -> Started {
        let mut started = Started { at: now, delay: None, how: How::Plain };
        self.sequence.write(|| {
            let word = self.word.load(Ordering::Acquire);
            let (state, since) = unpack(word);
            if !matches!(state, SCHEDULED | WOKEN) {
                started = self.unscheduled_poll_started(word, now, root, probed);
                return;
            }
            // Scheduled: wakers no longer change the word.
            started.at = now.max(since);
            self.word.store(pack(POLLING, started.at), Ordering::Release);
            add(&self.wakes, u64::from(state == WOKEN));
            started.delay = Some(started.at - since);
            self.count_poll(started.delay);
        });
        started
    }

    /// A poll begins of a future that, by the `word`, is idle or was queried by the watchdog. Not
    /// inlined, so that it costs nothing in the polls that follow a wake.
    #[inline(never)]
    fn unscheduled_poll_started(
        &self,
        mut word: u64,
        now: u64,
        root: bool,
        probed: fn() -> bool,
    ) -> Started {
        loop {
            let (state, since) = unpack(word);
            let at = now.max(since);
            let scheduled = matches!(state, SCHEDULED | WOKEN | ASKED_WOKEN);
            let how = match state {
                ASKED => How::TracedProbe,
                NUDGED => How::Probe,
                IDLE if !root && probed() => How::Probe,
                ASKED_WOKEN => How::Traced,
                _ => How::Plain,
            };
            let is_probe = matches!(how, How::Probe | How::TracedProbe);
            let next = if is_probe { pack(PROBED, since) } else { pack(POLLING, at) };
            // A waker may be about to change the word: exchange it.
            let order = Ordering::AcqRel;
            if let Err(newer) = self.word.compare_exchange(word, next, order, Ordering::Acquire) {
                word = newer;
                continue;
            }
            if is_probe {
                return Started { at, delay: None, how };
            }
            add(&self.wakes, u64::from(matches!(state, WOKEN | ASKED_WOKEN)));
            let delay = (scheduled || root).then(|| at - since);
            self.count_poll(delay);
            return Started { at, delay, how };
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

    /// The poll that began at `began` ends, and with it the task if there is an outcome.
    /// Returns how long the poll was.
    #[inline(always)]
    pub(crate) fn poll_ended(&self, began: u64, now: u64, end: Option<Outcome>) -> u64 {
        let now = now.max(began);
        let length = now - began;
        self.sequence.write(|| {
            add(&self.busy, length);
            raise(&self.max_poll, length);
            let next = end.map_or(IDLE, done);
            let exchanged = self.word.compare_exchange(
                pack(POLLING, began),
                pack(next, now),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            if exchanged.is_err() {
                // Woken while polling: no waker changes the word any more.
                add(&self.wakes, 1);
                let next = end.map_or(SCHEDULED, done);
                self.word.store(pack(next, now), Ordering::Release);
            }
        });
        length
    }

    /// The poll that the watchdog has caused ends, and with it the task if there is an outcome:
    /// then the poll is counted, because the task will not be polled again for this outcome.
    /// Returns how long the poll was.
    pub(crate) fn probe_ended(&self, began: u64, now: u64, end: Option<Outcome>) -> u64 {
        let now = now.max(began);
        let length = now - began;
        self.sequence.write(|| {
            let mut word = self.word.load(Ordering::Acquire);
            loop {
                let (state, since) = unpack(word);
                let woken = state == PROBED_WOKEN;
                let next = match end {
                    Some(outcome) => pack(done(outcome), now),
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

    /// The future is about to be dropped outside of a poll, before it returned: the task is no
    /// longer scheduled. Returns when the drop begins.
    pub(crate) fn drop_started(&self, now: u64) -> u64 {
        self.leave(now, DROPPING)
    }

    /// The future was dropped outside of a poll, before it returned.
    pub(crate) fn cancelled(&self, now: u64) {
        self.leave(now, CANCELLED);
    }

    /// The task will not be polled again. Returns the time at which `next` begins.
    fn leave(&self, now: u64, next: u64) -> u64 {
        let mut at = now;
        self.sequence.write(|| {
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
                if matches!(state, SCHEDULED | WOKEN | ASKED_WOKEN) {
                    add(&self.scheduled, at - since);
                    raise(&self.max_delay, at - since);
                }
                if matches!(state, WOKEN | ASKED_WOKEN) {
                    add(&self.wakes, 1);
                }
                break;
            }
        });
        at
    }

    /// The watchdog requests the task's await point, and is about to have the task polled for it.
    /// The task stays idle, and that poll is traced and not counted, unless the task is woken
    /// first. `false` if the task is not idle.
    #[cfg(any(feature = "watchdog", test))]
    pub(crate) fn ask(&self) -> bool {
        self.mark(ASKED)
    }

    /// The task is about to be polled because the await point of a nested future was requested.
    /// Like [`ask`](Self::ask), without a trace.
    #[cfg(feature = "watchdog")]
    pub(crate) fn nudge(&self) -> bool {
        self.mark(NUDGED)
    }

    #[cfg(any(feature = "watchdog", test))]
    fn mark(&self, mark: u64) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let (state, since) = unpack(word);
        let marked = pack(mark, since);
        let order = Ordering::AcqRel;
        // A wake that comes first has the task polled without us.
        state == IDLE && self.word.compare_exchange(word, marked, order, Ordering::Acquire).is_ok()
    }

    /// A waker of the task is called at the time that `now` returns; it is only asked
    /// where the answer matters.
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
                IDLE | NUDGED => pack(WOKEN, now().max(since)),
                ASKED => pack(ASKED_WOKEN, now().max(since)),
                POLLING => pack(POLLING_WOKEN, since),
                PROBED => pack(PROBED_WOKEN, since),
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

    /// Notes that the last wake came from inside the task's own poll. Only the thread
    /// that polls calls this.
    pub(crate) fn woken_by_itself(&self) {
        self.sequence.write(|| add(&self.self_wakes, 1));
    }

    /// Runs `write` so that a reader sees all or nothing of it. Only the thread that
    /// polls calls this.
    pub(crate) fn publish(&self, write: impl FnOnce()) {
        self.sequence.write(write);
    }

    /// What `read` finds while no `publish` is under way.
    pub(crate) fn coherent<T>(&self, read: impl Fn() -> T) -> T {
        self.sequence.read(read)
    }

    /// A coherent reading at `now`, with what `extra` reads under the same protection;
    /// `None` if nothing lives here.
    pub(crate) fn read<T>(&self, now: u64, extra: impl Fn() -> T) -> Option<(Reading, T)> {
        let (reading, extra) = self.sequence.read(|| (self.read_unchecked(now), extra()));
        reading.map(|reading| (reading, extra))
    }

    fn read_unchecked(&self, now: u64) -> Option<Reading> {
        let of = |field: &AtomicU64| field.load(Ordering::Relaxed);
        // Before the rest, and acquired: `open` writes outside of the sequence.
        let (state, since) = unpack(self.word.load(Ordering::Acquire));
        if state == VACANT {
            return None;
        }
        let (created, mut busy, mut scheduled) =
            (of(&self.created), of(&self.busy), of(&self.scheduled));
        let (mut max_poll, mut max_delay) = (of(&self.max_poll), of(&self.max_delay));
        let unsettled = matches!(state, WOKEN | ASKED_WOKEN | POLLING_WOKEN | PROBED_WOKEN);
        let shown = shown(state);
        let now = if shown.is_done() { since } else { now.max(since) };
        // Wrapping, because a torn set may hold anything.
        let running = now.wrapping_sub(since);
        match shown {
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
            state: shown,
            since,
            lifetime,
            busy,
            scheduled,
            idle: lifetime.wrapping_sub(busy).wrapping_sub(scheduled),
            polls: of(&self.polls),
            wakes: of(&self.wakes)
                .wrapping_add(of(&self.redundant_wakes))
                .wrapping_add(u64::from(unsettled)),
            self_wakes: of(&self.self_wakes),
            max_poll,
            max_delay,
        })
    }
}
