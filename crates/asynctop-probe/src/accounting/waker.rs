//! The waker that a measured task hands out: it notes the wake and calls Tokio's.
//!
//! Its data is the task's cell, its reference count the cell's, so a clone costs one
//! atomic addition and the number of living wakers is known.

use std::{
    mem::ManuallyDrop,
    sync::Arc,
    task::{RawWaker, RawWakerVTable, Wake, Waker},
};

use super::{cell::TaskCell, clock::Clock, thread};

/// The waker of traced polls, which does nothing. Recognized by its address, and each crate may
/// have another `Waker::noop()`.
pub(super) static SILENT: &Waker = Waker::noop();

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, release);

/// The waker that a measured future is polled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PollWaker {
    /// Records wakes and calls the waker that the cell has adopted.
    Borrowed,
    /// Records wakes and calls another waker, of which it holds a clone.
    Foreign,
    /// The waker of a traced poll that this poll is nested in, which does nothing. The real poll
    /// follows, with the waker to call.
    Silent,
}

/// Makes the cell's wakers call `waker`, unless they call another one already. Returns the waker to
/// poll with.
///
/// # Safety
/// Only the thread that polls the task's future may call this.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) unsafe fn adopt(cell: &TaskCell, waker: &Waker) -> PollWaker {
    // SAFETY: the caller has the future, and only this thread replaces the waker while it lives.
    match unsafe { cell.inner_waker() } {
        Some(known) if known.will_wake(waker) => PollWaker::Borrowed,
        // SAFETY: the caller's promise is passed on.
        _ => unsafe { adopt_another(cell, waker) },
    }
}

/// The first waker, or another one than before.
///
/// # Safety
/// As for `adopt`.
#[allow(unsafe_code)]
#[cold]
unsafe fn adopt_another(cell: &TaskCell, waker: &Waker) -> PollWaker {
    if waker.will_wake(SILENT) && thread::is_probing() {
        return PollWaker::Silent;
    }
    // SAFETY: the caller's promise is passed on.
    match unsafe { cell.replace_inner(waker) } {
        true => PollWaker::Borrowed,
        false => PollWaker::Foreign,
    }
}

/// A waker for the duration of a poll, which counts as no living waker.
///
/// # Safety
/// The caller holds a reference to the cell for as long as the waker exists, and
/// `adopt` has returned `Borrowed`.
#[allow(unsafe_code)]
#[inline(always)]
pub(crate) unsafe fn borrowed(cell: &'static TaskCell) -> ManuallyDrop<Waker> {
    let data = std::ptr::from_ref(cell).cast();
    // SAFETY: the functions of the table keep `Waker`'s contract for a cell that is
    // never freed; not dropping it leaves the count as it is.
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
    note_wake(cell);
    // SAFETY: the waker that is called holds, or borrows, a reference.
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

/// Calls a waker on behalf of the watchdog: a measured task around the queried one is polled for
/// the query, which counts neither as a wake nor as a poll.
#[cfg(feature = "watchdog")]
#[allow(unsafe_code)]
pub(super) fn nudge(waker: &Waker) {
    if std::ptr::eq(waker.vtable(), &raw const VTABLE) {
        let cell = cell_of(waker.data());
        cell.ledger.nudge();
        // SAFETY: the waker holds a reference.
        if let Some(inner) = unsafe { cell.inner_waker() } {
            nudge(inner);
        }
    } else {
        waker.wake_by_ref();
    }
}

#[inline(always)]
fn note_wake(cell: &TaskCell) {
    cell.ledger.woken(|| Clock::global().now());
    if thread::is_polling(cell) {
        cell.ledger.woken_by_itself();
    }
}

/// The waker for a poll that comes with another waker than the first one did, as
/// inside `FuturesUnordered`: rare, so it may allocate.
pub(crate) struct Foreign {
    cell: &'static TaskCell,
    inner: Waker,
}

impl Foreign {
    pub(crate) fn waker(cell: &'static TaskCell, inner: Waker) -> Waker {
        cell.retain(thread::is_innermost(cell));
        Waker::from(Arc::new(Foreign { cell, inner }))
    }
}

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        note_wake(self.cell);
        self.inner.wake_by_ref();
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.cell.release();
    }
}
