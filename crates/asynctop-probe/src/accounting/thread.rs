//! What each polling thread publishes: the poll it is in right now and since when, its
//! sums, how long the tasks that it polled had waited for it, and, while somebody records,
//! when it polled whom.
//!
//! A thread gets a slot at its first poll of a registry's task and gives it back when
//! it ends; a later thread may take it over. The sums only ever grow.

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

use super::{cell::TaskCell, distribution::Distribution, recorder::Recorder, sync::Sequence};
use crate::lock::lock;
use asynctop_snapshot::{BUCKETS, PollKind, TICK_NS};
pub(crate) use signal_stack::SignalStack;
pub(crate) use threads::Threads;

/// One thread's slot. What each poll touches comes first.
#[repr(C, align(64))]
pub(crate) struct ThreadSlot {
    /// Guards the four that follow: a poll that ends is in `busy` or current, not both.
    sequence: Sequence,
    /// The task whose code the thread runs, with [`Tag`]s in the bits that its alignment
    /// leaves free; null outside of all polls.
    current: AtomicPtr<TaskCell>,
    since: AtomicU64,
    /// Between polls, the time inside polls; in a poll, that less the time at which the
    /// outermost one began, so that only the time now has to be added.
    busy: AtomicU64,
    polls: AtomicU64,
    max_delay: AtomicU64,
    /// Where polls are written down; null unless somebody records.
    recorder: AtomicPtr<Recorder>,
    delays: Distribution<BUCKETS>,
    /// The same, kept for the next time.
    recorder_kept: OnceLock<&'static Recorder>,
    owner: Mutex<Option<Owner>>,
    /// The operating system's id of the owner; 0 if there is none or it is not known.
    os_id: AtomicU32,
    /// The beginning and the end of the latest run of at least [`LONG_NS`] that is in no sum:
    /// of a drop, or of a poll that the watchdog has caused.
    long_uncounted: [AtomicU64; 2],
}

/// Bits of `current` with the kind of code that the thread runs.
struct Tag;

impl Tag {
    /// The drop of a future, not a poll.
    const DROP: usize = 1;
    /// Not part of `busy`, nor is what it runs inside of; but a poll inside of it is.
    const UNCOUNTED: usize = 2;
    const ALL: usize = Self::DROP | Self::UNCOUNTED;
}

const _: () = assert!(align_of::<TaskCell>() > Tag::ALL);

/// The watchdog does not search for shorter ones.
const LONG_NS: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct Owner {
    id: ThreadId,
    name: String,
}

/// What is known of a thread at a time. All durations in nanoseconds.
#[derive(Clone, Debug)]
pub struct ThreadReading {
    /// The thread, as `std` and Tokio name it; `None` once it has ended.
    pub id: Option<ThreadId>,
    /// The thread, as the operating system numbers it. Known with the feature `watch`
    /// on Linux, while the thread lives.
    pub os_id: Option<u32>,
    /// Its name, empty if it has none.
    pub name: String,
    /// What the thread runs now.
    pub current: Option<CurrentPoll>,
    /// Time inside polls, the running one included.
    pub busy: u64,
    /// Polls begun.
    pub polls: u64,
}

/// A poll that a thread is in, or the drop of a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentPoll {
    /// Key of the task.
    pub task: u64,
    /// When it began, in nanoseconds on the probe's clock.
    pub since: u64,
    /// Whether it is a poll.
    pub kind: PollKind,
}

/// A poll on this thread's stack, and the one that it is inside of.
pub(crate) struct Frame {
    task: &'static TaskCell,
    outer: Cell<*const Frame>,
}

/// What a poll has to put back when it ends.
#[derive(Clone, Copy)]
pub(crate) struct Outer {
    task: *mut TaskCell,
    since: u64,
}

impl Outer {
    /// Whether a poll inside of it adds to the thread's busy time: there is no poll, or only code
    /// that is not a poll.
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
        // SAFETY: cells are never freed, and a key is an atomic load.
        let task = unsafe { self.cell().as_ref() }?.key();
        Some(CurrentPoll { task, since: self.since, kind })
    }
}

thread_local! {
    static LOCAL: Local = const {
        Local { threads: Cell::new(ptr::null()), slot: Cell::new(None), poll: Cell::new(ptr::null()), probes: Cell::new(0) }
    };
}

/// The thread's view of itself: no destructor, so it is a plain access without a check.
struct Local {
    /// The threads of the registry that `slot` belongs to.
    threads: Cell<*const Threads>,
    slot: Cell<Option<&'static ThreadSlot>>,
    /// The innermost poll.
    poll: Cell<*const Frame>,
    /// How many of the polls on the stack the watchdog has caused.
    probes: Cell<u32>,
}

impl Frame {
    #[inline(always)]
    pub(crate) fn new(task: &'static TaskCell) -> Self {
        Frame { task, outer: Cell::new(ptr::null()) }
    }
}

/// The innermost poll that this thread is in.
#[allow(unsafe_code)]
#[inline(always)]
fn innermost<'a>() -> Option<&'a Frame> {
    // SAFETY: a frame is linked while its poll is on this thread's stack, and the
    // callers are done with it before they return to that poll.
    unsafe { LOCAL.with(|local| local.poll.get()).as_ref() }
}

/// The task whose poll this thread is in, the innermost one.
pub(crate) fn current_task() -> Option<&'static TaskCell> {
    innermost().map(|frame| frame.task)
}

/// Whether this thread is in a poll that the watchdog has caused.
#[inline(always)]
pub(crate) fn is_probing() -> bool {
    cfg!(feature = "watchdog") && LOCAL.with(|local| local.probes.get() > 0)
}

/// Whether this thread is in a poll of `task` and in no other one inside of that.
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
        // SAFETY: a frame outlives those that are linked inside of it.
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
    /// `frame` stays where it is until `poll_ended`.
    #[inline(always)]
    pub(crate) fn poll_started(&self, frame: &Frame, at: u64) -> Outer {
        LOCAL.with(|local| frame.outer.set(local.poll.replace(frame)));
        let outer = self.innermost();
        self.sequence.write(|| {
            self.current.store(ptr::from_ref(frame.task).cast_mut(), Ordering::Release);
            self.since.store(at, Ordering::Relaxed);
            if outer.is_uncounted() {
                add(&self.busy, at.wrapping_neg());
            }
            add(&self.polls, 1);
        });
        if !outer.task.is_null() {
            self.interrupted(outer, at);
        }
        outer
    }

    /// The future of a task begins to be dropped on this thread.
    pub(crate) fn drop_started(&self, task: &'static TaskCell, at: u64) -> Outer {
        self.uncounted_started(task, Tag::DROP, at)
    }

    /// A poll begins that the watchdog has caused. `frame` stays where it is until
    /// `probe_ended`.
    pub(crate) fn probe_started(&self, frame: &Frame, at: u64) -> Outer {
        LOCAL.with(|local| {
            frame.outer.set(local.poll.replace(frame));
            local.probes.set(local.probes.get() + 1);
        });
        self.uncounted_started(frame.task, 0, at)
    }

    /// The poll that the watchdog has caused, which began at `began` inside of `outer`, has
    /// ended.
    pub(crate) fn probe_ended(&self, frame: &Frame, outer: Outer, times: (u64, u64)) {
        LOCAL.with(|local| {
            local.poll.set(frame.outer.get());
            local.probes.set(local.probes.get() - 1);
        });
        self.uncounted_ended(frame.task, outer, times);
    }

    fn uncounted_started(&self, task: &'static TaskCell, kind: usize, at: u64) -> Outer {
        let outer = self.innermost();
        let uncounted = if outer.is_uncounted() { Tag::UNCOUNTED } else { 0 };
        let tagged = ptr::from_ref(task).cast_mut().map_addr(|cell| cell | kind | uncounted);
        self.sequence.write(|| {
            self.current.store(tagged, Ordering::Release);
            self.since.store(at, Ordering::Relaxed);
        });
        outer
    }

    /// The drop, or the poll, that began at `began` inside of `outer` and is in no sum has ended.
    pub(crate) fn uncounted_ended(
        &self,
        task: &TaskCell,
        outer: Outer,
        (began, ended): (u64, u64),
    ) {
        if let Some(recorder) = self.recorder()
            // Most are too short to show, and would push polls out of the ring.
            && ended.saturating_sub(began) >= TICK_NS
        {
            if !outer.task.is_null() && !recorder.has_resumed_since(began) {
                self.interrupted(outer, began);
            }
            recorder.ran(task.key(), began, ended);
            if !outer.task.is_null() {
                recorder.resume(ended);
            }
        }
        if ended.saturating_sub(began) >= LONG_NS {
            self.long_uncounted[1].store(ended, Ordering::Relaxed);
            self.long_uncounted[0].store(began, Ordering::Release);
        }
        self.sequence.write(|| {
            self.current.store(outer.task, Ordering::Relaxed);
            self.since.store(outer.since, Ordering::Relaxed);
        });
    }

    /// When the drop ended that began at `began`, or the poll that the watchdog has caused; if
    /// it was long and the latest one.
    #[cfg(feature = "watchdog")]
    pub(crate) fn uncounted_end(&self, began: u64) -> Option<u64> {
        let latest = self.long_uncounted[0].load(Ordering::Acquire);
        (latest == began).then(|| self.long_uncounted[1].load(Ordering::Relaxed))
    }

    /// Where this thread's polls are to be written down.
    #[allow(unsafe_code)]
    #[inline(always)]
    fn recorder(&self) -> Option<&Recorder> {
        // SAFETY: null, or from a `&'static Recorder`.
        unsafe { self.recorder.load(Ordering::Acquire).as_ref() }
    }

    /// Where this thread's polls were written down, if they ever were.
    pub(crate) fn recorder_kept(&self) -> Option<&'static Recorder> {
        self.recorder_kept.get().copied()
    }

    /// Polls are written down from now on, or no more.
    fn record(&self, on: bool) {
        let recorder = || self.recorder_kept.get_or_init(|| Box::leak(Box::new(Recorder::new())));
        let recorder = if on { ptr::from_ref(*recorder()).cast_mut() } else { ptr::null_mut() };
        self.recorder.store(recorder, Ordering::Release);
    }

    /// Writes down the poll that ends. Out of the way of those that are not.
    #[inline(never)]
    fn note(&self, recorder: &Recorder, frame: &Frame, outer: Outer, ended: u64) {
        recorder.ran(frame.task.key(), self.since.load(Ordering::Relaxed), ended);
        if !outer.task.is_null() {
            recorder.resume(ended);
        }
    }

    /// The poll inside of which another one begins has had the thread until now.
    #[allow(unsafe_code)]
    #[cold]
    fn interrupted(&self, outer: Outer, now: u64) {
        // SAFETY: cells are never freed, and a key is an atomic load.
        let task = unsafe { outer.cell().as_ref() };
        // A drop is written down as a whole.
        let is_poll = outer.task.addr() & Tag::DROP == 0;
        if let (Some(recorder), Some(task), true) = (self.recorder(), task, is_poll) {
            recorder.ran(task.key(), outer.since, now);
        }
    }

    /// A task had waited for this thread, so long that it falls into `bucket`.
    #[inline(always)]
    pub(crate) fn waited(&self, bucket: usize, delay: u64) {
        self.delays.count(bucket);
        if delay > self.max_delay.load(Ordering::Relaxed) {
            self.max_delay.store(delay, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(crate) fn poll_ended(&self, frame: &Frame, outer: Outer, ended: u64) {
        LOCAL.with(|local| local.poll.set(frame.outer.get()));
        // Before the poll is over for those who look at the slot: whoever sees it no more
        // finds it there.
        if let Some(recorder) = self.recorder() {
            self.note(recorder, frame, outer, ended);
        }
        self.sequence.write(|| {
            if outer.is_uncounted() {
                // A poll inside a poll is part of the outer one's time.
                add(&self.busy, ended);
            }
            self.current.store(outer.task, Ordering::Relaxed);
            self.since.store(outer.since, Ordering::Relaxed);
        });
    }

    /// The poll that the thread is in. Also for a signal handler on that very thread: it neither
    /// locks, allocates nor waits for the sequence, which that thread may be in the middle of.
    /// Between the two stores it may pair one poll's task with another one's beginning, which
    /// matches no poll.
    #[cfg(feature = "watchdog")]
    pub(crate) fn glance(&self) -> Option<(u64, u64)> {
        self.glance_at_poll().map(|poll| (poll.task, poll.since))
    }

    /// Like [`glance`](Self::glance), with the kind.
    #[cfg(feature = "watchdog")]
    pub(crate) fn glance_at_poll(&self) -> Option<CurrentPoll> {
        let task = self.current.load(Ordering::Acquire);
        Outer { task, since: self.since.load(Ordering::Acquire) }.poll()
    }

    /// The owner's number in the operating system.
    #[cfg(feature = "watchdog")]
    pub(crate) fn os_id(&self) -> Option<u32> {
        Some(self.os_id.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// The poll that the thread is in.
    pub(crate) fn current(&self) -> Option<CurrentPoll> {
        self.sequence.read(|| self.innermost()).poll()
    }

    /// What the thread runs, to be restored when code nested in it ends.
    #[inline(always)]
    fn innermost(&self) -> Outer {
        Outer {
            task: self.current.load(Ordering::Relaxed),
            since: self.since.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn read(&self, now: u64) -> ThreadReading {
        let (innermost, busy, polls) = self.sequence.read(|| {
            let busy = self.busy.load(Ordering::Relaxed);
            (self.innermost(), busy, self.polls.load(Ordering::Relaxed))
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
