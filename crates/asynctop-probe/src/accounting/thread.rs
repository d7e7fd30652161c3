//! The statistics that each polling thread publishes: its current poll and when that began, sums, the
//! scheduling delays of the tasks that it polled, and, while there is a recording, its poll spans.
//!
//! A thread gets a slot at its first poll of a registry's task and releases it when it ends; a later
//! thread may reuse it. The sums never decrease.

#[cfg(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod signal_stack;
/// No thread is signaled on this platform.
#[cfg(not(all(
    feature = "watchdog",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod signal_stack {
    pub(crate) struct SignalStack;

    impl SignalStack {
        pub(crate) fn install() -> Option<Self> {
            None
        }
    }
}
mod threads;

use std::{
    cell::Cell,
    ptr,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
    },
    thread::ThreadId,
};

use super::{cell::TaskCell, distribution::Distribution, recorder::Recorder, sync::SeqLock};
use crate::lock::lock;
use asynctop_snapshot::{BUCKETS, PollKind, TICK_NS};
pub(crate) use signal_stack::SignalStack;
pub(crate) use threads::Threads;

/// One thread's slot. The fields that each poll accesses come first.
#[repr(C, align(64))]
pub(crate) struct ThreadSlot {
    /// Guards the four fields below: a poll that ends is in `busy` or current, not both.
    seq_lock: SeqLock,
    /// The task whose code the thread runs, with [`Tag`]s in the bits that are free because of the
    /// alignment; null outside all polls.
    current: AtomicPtr<TaskCell>,
    since: AtomicU64,
    /// Between polls, the time spent in polls. In a poll, that time minus the start of the outermost
    /// poll, so that a reader only adds the current time.
    busy: AtomicU64,
    polls: AtomicU64,
    max_delay: AtomicU64,
    /// Null while there is no recording.
    recorder: AtomicPtr<Recorder>,
    delays: Distribution<BUCKETS>,
    /// The recorder, kept for the next recording.
    existing_recorder: OnceLock<&'static Recorder>,
    owner: Mutex<Option<SlotOwner>>,
    /// The operating system's id of the owner; 0 if there is no owner or the id is not known.
    os_id: AtomicU32,
    /// Start and end of the latest uncounted run of at least [`LONG_NS`]: of a drop, or of a poll
    /// caused by the watchdog.
    long_uncounted: [AtomicU64; 2],
    /// The poll or drop around all others, and its start, while the current one is nested.
    outermost: AtomicPtr<TaskCell>,
    outermost_since: AtomicU64,
}

/// Bits of `current` for the kind of code that the thread runs.
struct Tag;

impl Tag {
    /// The drop of a future, not a poll.
    const DROP: usize = 1;
    /// Neither this code nor the code around it counts as `busy`; a poll nested in it does.
    const UNCOUNTED: usize = 2;
    /// Another poll or drop is around this one; see `ThreadSlot::outermost`.
    const NESTED: usize = 4;
    const ALL: usize = Self::DROP | Self::UNCOUNTED | Self::NESTED;
}

const _: () = assert!(align_of::<TaskCell>() > Tag::ALL);

/// The watchdog does not need the end of shorter runs.
const LONG_NS: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct SlotOwner {
    id: ThreadId,
    name: String,
}

/// The state and the statistics of a thread at one moment. All durations in nanoseconds. `busy` and
/// `polls` include those of ended threads whose accounting this thread has reused.
#[derive(Clone, Debug)]
pub struct ThreadReading {
    /// The thread's id in `std`; `None` if the thread has ended.
    pub id: Option<ThreadId>,
    /// The operating system's id of the thread. Known with the feature `watchdog` on Linux, while the
    /// thread lives.
    pub os_id: Option<u32>,
    /// The thread's name, empty if it has none.
    pub name: String,
    /// The innermost poll or drop that is running.
    pub current: Option<CurrentPoll>,
    /// Time spent in polls, the running one included.
    pub busy: u64,
    /// Polls begun.
    pub polls: u64,
}

/// A running poll, or the running drop of a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentPoll {
    /// Key of the task.
    pub task: u64,
    /// When it began, in nanoseconds on the probe's clock.
    pub since: u64,
    /// Whether it is a poll or a drop.
    pub kind: PollKind,
}

/// The polls and drops that a thread is in: the innermost one, and the one around all others, which is
/// the same without nesting.
#[cfg(feature = "watchdog")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CurrentPolls {
    pub innermost: Option<CurrentPoll>,
    pub outermost: Option<CurrentPoll>,
}

#[cfg(feature = "watchdog")]
impl CurrentPolls {
    pub(crate) const NONE: CurrentPolls = CurrentPolls { innermost: None, outermost: None };

    /// Whether the thread is in the poll of this task and start.
    pub(crate) fn contains(&self, (task, since): (u64, u64)) -> bool {
        let is_same = |poll: CurrentPoll| (poll.task, poll.since) == (task, since);
        self.innermost.is_some_and(is_same) || self.outermost.is_some_and(is_same)
    }
}

/// A poll on this thread's stack, linked to the one in which it is nested.
pub(crate) struct PollFrame {
    task: &'static TaskCell,
    outer: Cell<*const PollFrame>,
}

/// The poll or drop that a slot stores: the tagged pointer to the task, null outside all polls, and
/// the start. The one around a nested poll or drop is restored when that ends.
#[derive(Clone, Copy)]
pub(crate) struct RawPoll {
    task: *mut TaskCell,
    since: u64,
}

impl RawPoll {
    /// Whether the thread's busy time does not grow in it, so that a nested poll adds its own. Also
    /// `true` outside all polls.
    #[inline(always)]
    fn is_uncounted(self) -> bool {
        self.task.is_null() || self.task.addr() & Tag::UNCOUNTED != 0
    }

    fn cell(self) -> *mut TaskCell {
        self.task.map_addr(|cell| cell & !Tag::ALL)
    }

    #[allow(unsafe_code)]
    fn poll(self) -> Option<CurrentPoll> {
        let kind = match self.task.addr() & Tag::DROP {
            0 => PollKind::Poll,
            _ => PollKind::Drop,
        };
        // SAFETY: cells are never freed, and `key` is an atomic load.
        let task = unsafe { self.cell().as_ref() }?.key();
        Some(CurrentPoll { task, since: self.since, kind })
    }
}

thread_local! {
    static LOCAL: Local = const {
        Local { threads: Cell::new(ptr::null()), slot: Cell::new(None), poll: Cell::new(ptr::null()), query_polls: Cell::new(0) }
    };
}

/// The state of the current thread. It has no destructor, so an access needs no check.
struct Local {
    /// The `Threads` that `slot` belongs to.
    threads: Cell<*const Threads>,
    slot: Cell<Option<&'static ThreadSlot>>,
    /// The innermost poll.
    poll: Cell<*const PollFrame>,
    /// Number of the polls on the stack that are caused by the watchdog.
    query_polls: Cell<u32>,
}

impl PollFrame {
    #[inline(always)]
    pub(crate) fn new(task: &'static TaskCell) -> Self {
        PollFrame { task, outer: Cell::new(ptr::null()) }
    }
}

/// The innermost poll of this thread.
#[allow(unsafe_code)]
#[inline(always)]
fn innermost<'a>() -> Option<&'a PollFrame> {
    // SAFETY: a frame is linked while its poll is on this thread's stack, and the callers do not use
    // it after they return to that poll.
    unsafe { LOCAL.with(|local| local.poll.get()).as_ref() }
}

/// The task of the innermost poll of this thread.
pub(crate) fn current_task() -> Option<&'static TaskCell> {
    innermost().map(|frame| frame.task)
}

/// Whether this thread is in a poll caused by the watchdog.
#[inline(always)]
pub(crate) fn is_in_query_poll() -> bool {
    cfg!(feature = "watchdog") && LOCAL.with(|local| local.query_polls.get() > 0)
}

/// Whether the innermost poll of this thread is one of `task`.
#[inline(always)]
pub(crate) fn is_innermost(task: &TaskCell) -> bool {
    innermost().is_some_and(|frame| ptr::eq(frame.task, task))
}

/// Whether this thread is in a poll of `task`.
#[inline(always)]
pub(crate) fn is_polling(task: &TaskCell) -> bool {
    let mut next = innermost();
    while let Some(frame) = next {
        if ptr::eq(frame.task, task) {
            return true;
        }
        // SAFETY: a frame outlives the ones nested in it.
        #[allow(unsafe_code)]
        let outer = unsafe { frame.outer.get().as_ref() };
        next = outer;
    }
    false
}

#[inline(always)]
fn add(field: &AtomicU64, by: u64) {
    field.store(field.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl ThreadSlot {
    /// Starts a poll. `frame` must not move until `poll_ended`.
    #[inline(always)]
    pub(crate) fn poll_started(&self, frame: &PollFrame, at: u64) -> RawPoll {
        LOCAL.with(|local| frame.outer.set(local.poll.replace(frame)));
        let outer = self.load_current();
        self.seq_lock.write(|| {
            self.current.store(ptr::from_ref(frame.task).cast_mut(), Ordering::Release);
            self.since.store(at, Ordering::Relaxed);
            if outer.is_uncounted() {
                add(&self.busy, at.wrapping_neg());
            }
            add(&self.polls, 1);
        });
        if !outer.task.is_null() {
            self.record_interrupted(outer, at);
            self.publish_outermost(outer);
        }
        outer
    }

    /// Starts the drop of a future.
    pub(crate) fn drop_started(&self, task: &'static TaskCell, at: u64) -> RawPoll {
        self.uncounted_started(task, Tag::DROP, at)
    }

    /// Starts a poll caused by the watchdog. `frame` must not move until `query_poll_ended`.
    pub(crate) fn query_poll_started(&self, frame: &PollFrame, at: u64) -> RawPoll {
        LOCAL.with(|local| {
            frame.outer.set(local.poll.replace(frame));
            local.query_polls.set(local.query_polls.get() + 1);
        });
        self.uncounted_started(frame.task, 0, at)
    }

    /// Ends a poll caused by the watchdog, nested in `outer`.
    pub(crate) fn query_poll_ended(&self, frame: &PollFrame, outer: RawPoll, times: (u64, u64)) {
        LOCAL.with(|local| {
            local.poll.set(frame.outer.get());
            local.query_polls.set(local.query_polls.get() - 1);
        });
        self.uncounted_ended(frame.task, outer, times);
    }

    fn uncounted_started(&self, task: &'static TaskCell, kind: usize, at: u64) -> RawPoll {
        let outer = self.load_current();
        let uncounted = if outer.is_uncounted() { Tag::UNCOUNTED } else { 0 };
        let tagged = ptr::from_ref(task).cast_mut().map_addr(|cell| cell | kind | uncounted);
        self.seq_lock.write(|| {
            self.current.store(tagged, Ordering::Release);
            self.since.store(at, Ordering::Relaxed);
        });
        if !outer.task.is_null() {
            self.publish_outermost(outer);
        }
        outer
    }

    /// Publishes the poll or drop around all others, after one nested in `outer` has become current.
    /// Not inlined: most polls are not nested.
    #[cold]
    fn publish_outermost(&self, outer: RawPoll) {
        // The one around all others stays the same in deeper nesting.
        if outer.task.addr() & Tag::NESTED == 0 {
            self.outermost.store(outer.task, Ordering::Relaxed);
            self.outermost_since.store(outer.since, Ordering::Relaxed);
        }
        let current = self.current.load(Ordering::Relaxed);
        self.current.store(current.map_addr(|cell| cell | Tag::NESTED), Ordering::Release);
    }

    /// Ends a drop, or a poll caused by the watchdog, nested in `outer`.
    pub(crate) fn uncounted_ended(
        &self,
        task: &TaskCell,
        outer: RawPoll,
        (began, ended): (u64, u64),
    ) {
        if let Some(recorder) = self.recorder()
            // Most are too short to be visible, and would push polls out of the ring.
            && ended.saturating_sub(began) >= TICK_NS
        {
            if !outer.task.is_null() && !recorder.has_resumed_since(began) {
                self.record_interrupted(outer, began);
            }
            recorder.record(task.key(), began, ended);
            if !outer.task.is_null() {
                recorder.resume(ended);
            }
        }
        if ended.saturating_sub(began) >= LONG_NS {
            self.long_uncounted[1].store(ended, Ordering::Relaxed);
            self.long_uncounted[0].store(began, Ordering::Release);
        }
        self.seq_lock.write(|| {
            self.current.store(outer.task, Ordering::Relaxed);
            self.since.store(outer.since, Ordering::Relaxed);
        });
    }

    /// The end of the uncounted run that began at `began`, if it was the latest one of at least
    /// [`LONG_NS`].
    #[cfg(feature = "watchdog")]
    pub(crate) fn uncounted_end(&self, began: u64) -> Option<u64> {
        let latest = self.long_uncounted[0].load(Ordering::Acquire);
        (latest == began).then(|| self.long_uncounted[1].load(Ordering::Relaxed))
    }

    /// The recorder, while there is a recording.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn recorder(&self) -> Option<&Recorder> {
        // SAFETY: null, or from a `&'static Recorder`.
        unsafe { self.recorder.load(Ordering::Acquire).as_ref() }
    }

    /// The recorder, if there has ever been a recording.
    pub(crate) fn existing_recorder(&self) -> Option<&'static Recorder> {
        self.existing_recorder.get().copied()
    }

    fn set_recording(&self, on: bool) {
        let recorder =
            || self.existing_recorder.get_or_init(|| Box::leak(Box::new(Recorder::new())));
        let recorder = if on { ptr::from_ref(*recorder()).cast_mut() } else { ptr::null_mut() };
        self.recorder.store(recorder, Ordering::Release);
    }

    /// Records a poll that ends. Not inlined, so that it costs nothing without a recording.
    #[inline(never)]
    fn record_poll(&self, recorder: &Recorder, frame: &PollFrame, outer: RawPoll, ended: u64) {
        recorder.record(frame.task.key(), self.since.load(Ordering::Relaxed), ended);
        if !outer.task.is_null() {
            recorder.resume(ended);
        }
    }

    /// Records the outer poll until the start of a nested one.
    #[allow(unsafe_code)]
    #[cold]
    fn record_interrupted(&self, outer: RawPoll, now: u64) {
        // SAFETY: cells are never freed, and `key` is an atomic load.
        let task = unsafe { outer.cell().as_ref() };
        // A drop is recorded as a whole.
        let is_poll = outer.task.addr() & Tag::DROP == 0;
        if let (Some(recorder), Some(task), true) = (self.recorder(), task, is_poll) {
            recorder.record(task.key(), outer.since, now);
        }
    }

    /// Counts the scheduling delay of a task, which belongs to `bucket`.
    #[inline(always)]
    pub(crate) fn count_delay(&self, bucket: usize, delay: u64) {
        self.delays.count(bucket);
        if delay > self.max_delay.load(Ordering::Relaxed) {
            self.max_delay.store(delay, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(crate) fn poll_ended(&self, frame: &PollFrame, outer: RawPoll, ended: u64) {
        LOCAL.with(|local| local.poll.set(frame.outer.get()));
        // Before the slot changes: a reader that no longer sees the poll finds it in the recorder.
        if let Some(recorder) = self.recorder() {
            self.record_poll(recorder, frame, outer, ended);
        }
        self.seq_lock.write(|| {
            if outer.is_uncounted() {
                // A nested poll is part of the time of the outer one.
                add(&self.busy, ended);
            }
            self.current.store(outer.task, Ordering::Relaxed);
            self.since.store(outer.since, Ordering::Relaxed);
        });
    }

    /// The current polls, read without the lock. Callable in a signal handler on the slot's thread,
    /// which may be writing: it neither locks, allocates nor waits. The result may combine the task of
    /// one poll with the start of another, which matches no poll.
    #[cfg(feature = "watchdog")]
    pub(crate) fn peek(&self) -> CurrentPolls {
        let task = self.current.load(Ordering::Acquire);
        let innermost = RawPoll { task, since: self.since.load(Ordering::Acquire) }.poll();
        if task.addr() & Tag::NESTED == 0 {
            return CurrentPolls { innermost, outermost: innermost };
        }
        let task = self.outermost.load(Ordering::Acquire);
        let since = self.outermost_since.load(Ordering::Acquire);
        CurrentPolls { innermost, outermost: RawPoll { task, since }.poll() }
    }

    /// Whether the slot is that of a thread.
    #[cfg(feature = "watchdog")]
    pub(crate) fn belongs_to(&self, thread: ThreadId) -> bool {
        lock(&self.owner).as_ref().is_some_and(|owner| owner.id == thread)
    }

    /// Two numbers of which at least one changes with each start of a poll and with each end of an
    /// outermost one.
    #[cfg(feature = "watchdog")]
    pub(crate) fn activity(&self) -> (u64, u64) {
        self.seq_lock
            .read(|| (self.polls.load(Ordering::Relaxed), self.busy.load(Ordering::Relaxed)))
    }

    /// The operating system's id of the owner.
    #[cfg(feature = "watchdog")]
    pub(crate) fn os_id(&self) -> Option<u32> {
        Some(self.os_id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// The current poll.
    pub(crate) fn current(&self) -> Option<CurrentPoll> {
        self.seq_lock.read(|| self.load_current()).poll()
    }

    /// The code that the thread runs, to be restored when code nested in it ends.
    #[inline(always)]
    fn load_current(&self) -> RawPoll {
        RawPoll {
            task: self.current.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn read(&self, now: u64) -> ThreadReading {
        let (innermost, busy, polls) = self.seq_lock.read(|| {
            let busy = self.busy.load(Ordering::Relaxed);
            (self.load_current(), busy, self.polls.load(Ordering::Relaxed))
        });
        let running = if innermost.is_uncounted() { 0 } else { now.max(innermost.since) };
        let owner = lock(&self.owner).clone();
        ThreadReading {
            id: owner.as_ref().map(|owner| owner.id),
            os_id: Some(self.os_id.load(Ordering::Relaxed)).filter(|id| *id != 0),
            name: owner.map(|owner| owner.name).unwrap_or_default(),
            current: innermost.poll(),
            busy: busy.wrapping_add(running),
            polls,
        }
    }
}
