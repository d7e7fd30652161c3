//! The measured tasks: live ones, and those that have ended recently.
//!
//! Cells are allocated in chunks that are never freed, because a waker may outlive every handle. So a
//! registry is leaked by design; a program has one, tests have several. Slots are reused: memory
//! depends on the maximum number of tasks at one time, not on the number ever spawned.

use std::{
    collections::VecDeque,
    panic::Location,
    ptr,
    sync::{
        Mutex, OnceLock, RwLock,
        atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[cfg(feature = "watchdog")]
use super::waker;
use super::{
    cell::{TaskCell, stage_from},
    clock::Clock,
    identity::{Identity, Ids, Name},
    thread::{ThreadReading, ThreadSlot, Threads},
    view::TaskView,
};
use crate::lock::{self, lock};
use asynctop_snapshot::Histogram;

const CHUNK: usize = 256;

/// A set of measured tasks, and the threads that poll them.
pub struct Registry {
    clock: &'static Clock,
    ids: Ids,
    threads: Threads,
    chunks: RwLock<Vec<&'static [TaskCell]>>,
    /// Vacant slots, linked through `next`.
    vacant: Mutex<Option<&'static TaskCell>>,
    /// Slots whose task ended since the last sweep, linked through `next`.
    ended: AtomicPtr<TaskCell>,
    /// Number of tasks that ended since the last sweep.
    ended_count: AtomicUsize,
    /// Held while cells are read or cleared.
    scan: Mutex<EndedTasks>,
    retention: AtomicU64,
    live: AtomicUsize,
}

/// Ended tasks, oldest first, until their retention time has passed.
#[derive(Default)]
struct EndedTasks(VecDeque<&'static TaskCell>);

impl Registry {
    /// Maximum number of ended tasks that are kept, whatever the retention time.
    pub const MAX_ENDED: usize = 10_000;

    /// The registry of [`spawn`](super::spawn) and [`instrument`](super::instrument).
    pub fn global() -> &'static Registry {
        static GLOBAL: OnceLock<&'static Registry> = OnceLock::new();
        GLOBAL.get_or_init(Registry::leak)
    }

    /// Creates a registry. It is never freed, because the wakers of its tasks refer to it.
    pub fn leak() -> &'static Registry {
        Box::leak(Box::new(Registry {
            clock: Clock::global(),
            ids: Ids::default(),
            threads: Threads::new(),
            chunks: RwLock::new(Vec::new()),
            vacant: Mutex::new(None),
            ended: AtomicPtr::new(ptr::null_mut()),
            ended_count: AtomicUsize::new(0),
            scan: Mutex::new(EndedTasks::default()),
            retention: AtomicU64::new(Duration::from_secs(5).as_nanos() as u64),
            live: AtomicUsize::new(0),
        }))
    }

    /// Runs `work` while all locks of the probe are held: a deadlock if it locks one.
    #[cfg(all(test, feature = "watchdog"))]
    pub(crate) fn with_all_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let _locks = (self.scan.lock(), self.chunks.write(), self.vacant.lock());
        self.threads.with_all_locked(work)
    }

    /// Sets how long ended tasks stay visible. Default 5 s.
    pub fn set_retention(&self, retention: Duration) {
        let nanos = u64::try_from(retention.as_nanos()).unwrap_or(u64::MAX);
        self.retention.store(nanos, Ordering::Relaxed);
    }

    /// The time in nanoseconds on the probe's clock.
    #[inline(always)]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Number of measured futures that exist and have not ended: tasks and, with
    /// [`instrument`](super::instrument), parts of tasks. A task whose future
    /// contains a measured one counts twice.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Visits every live and every recently ended task, with statistics at the same `now`.
    ///
    /// Does not block spawning or polling; only the slots of ended tasks are not reused during a
    /// scan.
    ///
    /// # Deadlocks
    /// If `visit` scans the same registry or calls [`table`](Self::table): a scan holds a lock until it
    /// ends.
    #[allow(unsafe_code)]
    pub fn scan(&self, now: u64, mut visit: impl FnMut(TaskView<'_>)) {
        let mut ended = lock(&self.scan);
        self.sweep(&mut ended);
        let chunks = lock::read(&self.chunks).clone();
        for cell in chunks.into_iter().flatten() {
            let Some((reading, parts)) = cell.ledger.read(now, || cell.stage_parts()) else {
                continue;
            };
            // SAFETY: the parts were read coherently.
            let stage = unsafe { stage_from(parts) };
            // SAFETY: the lock is held and the slot is not vacant.
            if let Some(identity) = unsafe { cell.identity() } {
                visit(TaskView { cell, identity, reading, stage });
            }
        }
    }

    /// Visits the task with this key; `None` if it is no longer known.
    #[cfg(feature = "watchdog")]
    #[allow(unsafe_code)]
    pub(crate) fn visit<T>(&self, key: u64, visit: impl FnOnce(TaskView<'_>) -> T) -> Option<T> {
        let _scan = lock(&self.scan);
        let cell = self.cell_at(key)?;
        let (reading, parts) = cell.ledger.read(self.now(), || cell.stage_parts())?;
        // SAFETY: the parts were read coherently.
        let stage = unsafe { stage_from(parts) };
        // SAFETY: the lock is held and the slot is not vacant.
        let identity = unsafe { cell.identity() }.filter(|_| cell.key() == key)?;
        Some(visit(TaskView { cell, identity, reading, stage }))
    }

    /// Requests the await point of an idle task: it is polled once, which is traced and counts neither
    /// as a wake nor as a poll.
    ///
    /// # Errors
    /// The reason why the task cannot be queried now.
    #[cfg(feature = "watchdog")]
    pub(crate) fn request_await_point(&self, key: u64) -> Result<(), &'static str> {
        // Held, so that the slot is not reused.
        let scan = lock(&self.scan);
        let cell = self.cell_at(key).filter(|cell| cell.key() == key);
        let cell = cell.ok_or("the task no longer exists")?;
        let waker = cell.query();
        // Unlock before Tokio's code runs.
        drop(scan);
        waker.map(|waker| waker::wake_for_query(&waker))
    }

    /// The end of a completed poll, or a later time if the end is no longer known; `None` if the
    /// slot has been reused for another task.
    #[cfg(feature = "watchdog")]
    pub(crate) fn end_of_poll(&self, key: u64, began: u64) -> Option<u64> {
        let cell = self.cell_at(key)?;
        let (reading, ()) = cell.ledger.read(self.now(), || ())?;
        // Two upper bounds: the longest poll of the task, and the start of the task's current
        // state, which began at the end of the poll or later.
        let end = began.saturating_add(reading.max_poll);
        let next = if reading.since > began { reading.since } else { u64::MAX };
        // Checked after the reading: the slot had not been cleared.
        (cell.key() == key).then_some(end.min(next))
    }

    /// The end of the drop of a task's future that began at `began`; `None` if it lasts, or the slot has
    /// been reused for another task.
    #[cfg(feature = "watchdog")]
    pub(crate) fn end_of_drop(&self, key: u64, began: u64) -> Option<u64> {
        let cell = self.cell_at(key)?;
        let (reading, ()) = cell.ledger.read(self.now(), || ())?;
        let has_ended = reading.state.is_done() && reading.since > began;
        // Checked after the reading: the slot had not been cleared.
        (cell.key() == key && has_ended).then_some(reading.since)
    }

    /// Number of the runtime that a task was spawned on; `None` if the task is no longer known.
    #[cfg(feature = "watchdog")]
    pub(crate) fn runtime_of(&self, key: u64) -> Option<u32> {
        self.visit(key, |task| task.runtime())
    }

    /// The longest poll of a task so far, in ns; `None` if its slot has been reused for another
    /// task.
    #[cfg(all(test, feature = "watchdog"))]
    pub(crate) fn longest_poll(&self, key: u64) -> Option<u64> {
        let cell = self.cell_at(key)?;
        let (reading, ()) = cell.ledger.read(self.now(), || ())?;
        // Checked after the reading: the slot had not been cleared.
        (cell.key() == key).then_some(reading.max_poll)
    }

    /// The cell in the slot of this key, which may have been reused.
    #[cfg(feature = "watchdog")]
    fn cell_at(&self, key: u64) -> Option<&'static TaskCell> {
        let slot = (key & u64::from(u32::MAX)) as usize;
        let chunks = lock::read(&self.chunks);
        chunks.get(slot / CHUNK).map(|chunk| &chunk[slot % CHUNK])
    }

    /// The state of each thread that polls, or has polled, tasks of this registry.
    pub fn threads(&self, now: u64) -> Vec<ThreadReading> {
        self.threads.read(now)
    }

    pub(super) fn begin_recording(&self) {
        self.threads.change_recordings(1);
    }

    pub(super) fn end_recording(&self) {
        self.threads.change_recordings(-1);
    }

    /// Appends the threads' slots that `known` lacks. Their order never changes.
    pub(crate) fn thread_slots(&self, known: &mut Vec<&'static ThreadSlot>) {
        self.threads.slots(known);
    }

    /// The scheduling delays of all polls so far.
    pub fn delays(&self) -> Histogram {
        self.threads.delays()
    }

    #[inline(always)]
    pub(crate) fn thread(&'static self) -> &'static ThreadSlot {
        self.threads.current_slot()
    }

    /// Starts the record of a new task.
    #[allow(unsafe_code)]
    pub(crate) fn open(
        &'static self,
        name: Name,
        location: &'static Location<'static>,
        future_size: usize,
        (root, runtime): (bool, u32),
    ) -> &'static TaskCell {
        if self.ended_count.load(Ordering::Relaxed) > Self::MAX_ENDED
            && let Ok(mut ended) = self.scan.try_lock()
        {
            self.sweep(&mut ended);
        }
        let cell = self.take_vacant();
        let future_size = u32::try_from(future_size).unwrap_or(u32::MAX);
        let identity = Identity { name, location, id: self.ids.next(), future_size, runtime };
        self.live.fetch_add(1, Ordering::Relaxed);
        // SAFETY: `take_vacant` returns each vacant slot to one caller only.
        unsafe { cell.open(identity, self.now(), root) };
        cell
    }

    fn take_vacant(&self) -> &'static TaskCell {
        let mut vacant = lock(&self.vacant);
        let cell = match *vacant {
            Some(cell) => cell,
            None => self.grow(),
        };
        *vacant = next_of(cell);
        cell
    }

    /// Adds a chunk and returns its first cell, which is linked to the others.
    fn grow(&self) -> &'static TaskCell {
        let mut chunks = lock::write(&self.chunks);
        let first = (chunks.len() * CHUNK) as u32;
        let cells: Vec<TaskCell> = (0..CHUNK as u32).map(|i| TaskCell::vacant(first + i)).collect();
        let chunk: &'static [TaskCell] = cells.leak();
        for pair in chunk.windows(2) {
            pair[0].next.store(ptr::from_ref(&pair[1]).cast_mut(), Ordering::Relaxed);
        }
        chunks.push(chunk);
        &chunk[0]
    }

    /// Adds a cell to the list of ended tasks.
    pub(crate) fn retire(&self, cell: &'static TaskCell) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        self.ended_count.fetch_add(1, Ordering::Relaxed);
        let this = ptr::from_ref(cell).cast_mut();
        let mut head = self.ended.load(Ordering::Relaxed);
        loop {
            cell.next.store(head, Ordering::Relaxed);
            let order = Ordering::Release;
            match self.ended.compare_exchange_weak(head, this, order, Ordering::Relaxed) {
                Ok(_) => return,
                Err(newer) => head = newer,
            }
        }
    }

    /// Moves the list of ended tasks to the queue and clears those whose retention time has passed.
    #[allow(unsafe_code)]
    fn sweep(&self, ended: &mut EndedTasks) {
        let EndedTasks(queue) = ended;
        self.ended_count.store(0, Ordering::Relaxed);
        let head = self.ended.swap(ptr::null_mut(), Ordering::Acquire);
        let queued = queue.len();
        // SAFETY: the list contains cells, which are never freed.
        let mut next = unsafe { head.as_ref() };
        while let Some(cell) = next {
            next = next_of(cell);
            queue.push_back(cell);
        }
        // The list has the latest first.
        queue.make_contiguous()[queued..].reverse();

        let (now, retention) = (self.now(), self.retention.load(Ordering::Relaxed));
        for _ in 0..queue.len() {
            let Some(&cell) = queue.front() else { break };
            let is_expired = cell
                .ledger
                .read(now, || ())
                .is_none_or(|(reading, ())| now.saturating_sub(reading.since) >= retention);
            if !is_expired && queue.len() <= Self::MAX_ENDED {
                break;
            }
            queue.pop_front();
            if !cell.is_released() {
                // A waker of the task exists: it is hidden now, and the next sweep checks its slot.
                cell.ledger.clear();
                queue.push_back(cell);
                continue;
            }
            // SAFETY: the task has ended, its cell is released, and the lock is held.
            unsafe { cell.clear() };
            let mut vacant = lock(&self.vacant);
            let next = vacant.map_or(ptr::null_mut(), |cell| ptr::from_ref(cell).cast_mut());
            cell.next.store(next, Ordering::Relaxed);
            *vacant = Some(cell);
        }
    }
}

#[allow(unsafe_code)]
fn next_of(cell: &TaskCell) -> Option<&'static TaskCell> {
    // SAFETY: links are null or point to cells, which are never freed.
    unsafe { cell.next.load(Ordering::Relaxed).as_ref() }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("live", &self.live()).finish_non_exhaustive()
    }
}
