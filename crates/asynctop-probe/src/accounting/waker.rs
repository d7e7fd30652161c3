//! The waker of a measured task: it records the wake and calls Tokio's waker.
//!
//! Its data pointer is the task's cell, and its references are counted in the cell, so a clone costs
//! at most one atomic addition (none in the task's own poll), and the number of live wakers is
//! known.

use std::{
    mem::ManuallyDrop,
    sync::Arc,
    task::{RawWaker, RawWakerVTable, Wake, Waker},
};

use super::{cell::TaskCell, clock::Clock, thread};

/// The waker of traced polls, which does nothing. A static, because it is recognized by its address
/// and each crate may have another `Waker::noop()`.
pub(super) static SILENT: &Waker = Waker::noop();

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// The waker with which a measured future is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollWaker {
    /// Records wakes and calls the waker that the cell has adopted.
    Borrowed,
    /// Records wakes and calls a different waker, of which it holds a clone.
    Foreign,
    /// The waker of the traced poll in which this poll is nested, which does nothing. The real poll
    /// follows, with the waker to call.
    Silent,
}

/// Makes the cell's wakers call `waker`, unless one exists already and calls another waker. Returns
/// the waker to poll with.
///
/// # Safety
/// Only the thread that polls the task's future may call this.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) unsafe fn adopt(cell: &TaskCell, waker: &Waker) -> PollWaker {
    // SAFETY: the caller holds the future, and only this thread replaces the waker while it lives.
    match unsafe { cell.inner_waker() } {
        Some(known) if known.will_wake(waker) => PollWaker::Borrowed,
        // SAFETY: guaranteed by the caller.
        _ => unsafe { adopt_another(cell, waker) },
    }
}

/// The first waker, or a different one than before.
///
/// # Safety
/// As for `adopt`.
#[allow(unsafe_code)]
#[cold]
unsafe fn adopt_another(cell: &TaskCell, waker: &Waker) -> PollWaker {
    if waker.will_wake(SILENT) && thread::is_in_query_poll() {
        return PollWaker::Silent;
    }
    // SAFETY: guaranteed by the caller.
    match unsafe { cell.replace_inner(waker) } {
        true => PollWaker::Borrowed,
        false => PollWaker::Foreign,
    }
}

/// A waker for the duration of a poll, which is not counted as a live waker.
///
/// # Safety
/// The caller holds a reference to the cell for as long as the waker exists, and
/// `adopt` has returned `Borrowed`.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) unsafe fn borrowed(cell: &'static TaskCell) -> ManuallyDrop<Waker> {
    let data = std::ptr::from_ref(cell).cast();
    // SAFETY: the functions of the table meet `Waker`'s contract for a cell, which is never freed; it
    // is not dropped, so the count does not change.
    ManuallyDrop::new(unsafe { Waker::new(data, &VTABLE) })
}

#[allow(unsafe_code)]
#[inline(always)]
fn cell_of(data: *const ()) -> &'static TaskCell {
    // SAFETY: the data of every waker with this table is a cell, and cells are never freed.
    unsafe { &*data.cast::<TaskCell>() }
}

fn clone(data: *const ()) -> RawWaker {
    let cell = cell_of(data);
    cell.retain(thread::is_innermost(cell));
    RawWaker::new(data, &VTABLE)
}

#[allow(unsafe_code)]
fn wake_by_ref(data: *const ()) {
    let cell = cell_of(data);
    record_wake(cell);
    // SAFETY: the called waker holds or borrows a reference.
    if let Some(inner) = unsafe { cell.inner_waker() } {
        inner.wake_by_ref();
    }
}

fn wake(data: *const ()) {
    wake_by_ref(data);
    release(data);
}

fn release(data: *const ()) {
    cell_of(data).release();
}

/// Calls a waker for an await-point query: measured tasks around the queried one are polled, which
/// counts neither as a wake nor as a poll.
#[cfg(feature = "watchdog")]
#[allow(unsafe_code)]
pub(super) fn wake_for_query(waker: &Waker) {
    if std::ptr::eq(waker.vtable(), &raw const VTABLE) {
        let cell = cell_of(waker.data());
        cell.ledger.query_nested();
        // SAFETY: the waker holds a reference.
        if let Some(inner) = unsafe { cell.inner_waker() } {
            wake_for_query(inner);
        }
    } else {
        waker.wake_by_ref();
    }
}

#[inline(always)]
fn record_wake(cell: &TaskCell) {
    cell.ledger.woken(|| Clock::global().now());
    if thread::is_polling(cell) {
        cell.ledger.woken_by_itself();
    }
}

/// The waker for a poll with a different waker than the adopted one, as inside `FuturesUnordered`.
/// Rare, so it may allocate.
pub(crate) struct ForeignWaker {
    cell: &'static TaskCell,
    inner: Waker,
}

impl ForeignWaker {
    pub(crate) fn create(cell: &'static TaskCell, inner: Waker) -> Waker {
        cell.retain(thread::is_innermost(cell));
        Waker::from(Arc::new(ForeignWaker { cell, inner }))
    }
}

impl Wake for ForeignWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        record_wake(self.cell);
        self.inner.wake_by_ref();
    }
}

impl Drop for ForeignWaker {
    fn drop(&mut self) {
        self.cell.release();
    }
}
