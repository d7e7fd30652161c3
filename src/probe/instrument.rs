//! The future that measures another one.

use std::{
    future::Future,
    mem::{ManuallyDrop, needs_drop},
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

#[cfg(feature = "watch")]
use super::trace;
use super::{
    cell::TaskCell,
    ledger::Started,
    reading::Outcome,
    registry::Registry,
    thread::{Frame, Outer, ThreadSlot},
    waker::{self, Foreign},
};
use crate::histogram::bucket_of;

pin_project! {
    /// A future whose polls and wakes are counted and timed.
    ///
    /// Made by [`instrument`](super::instrument) and [`Registry::instrument`].
    #[must_use = "futures do nothing until they are awaited or spawned"]
    pub struct Instrumented<F> {
        // Dropped by `PinnedDrop`, which measures it.
        #[pin]
        future: ManuallyDrop<F>,
        // Dropped after the future: what its destructors do belongs to the task.
        task: Task,
    }

    impl<F> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            drop_future(this.future, this.task);
        }
    }
}

/// Drops the future, which is user code that may take long. Where this is in a stack, the
/// frames inside of it are the task's.
#[allow(unsafe_code)]
#[inline(never)]
fn drop_future<F>(future: Pin<&mut ManuallyDrop<F>>, task: &Task) {
    if !needs_drop::<F>() {
        return;
    }
    let _dropping = Dropping::start(task);
    // SAFETY: dropped where it is pinned, here alone, and not touched afterwards.
    unsafe { ManuallyDrop::drop(future.get_unchecked_mut()) };
}

/// The drop of a future under way; dropped at its end, also by a panic.
struct Dropping<'a> {
    task: &'a Task,
    thread: &'static ThreadSlot,
    at: u64,
    outer: Outer,
}

impl<'a> Dropping<'a> {
    #[inline]
    fn start(task: &'a Task) -> Self {
        let thread = task.registry.thread();
        let now = task.registry.now();
        let at = if task.done { now } else { task.cell.ledger.drop_started(now) };
        Dropping { task, thread, at, outer: thread.drop_started(task.cell, at) }
    }
}

impl Drop for Dropping<'_> {
    #[inline]
    fn drop(&mut self) {
        let ended = self.task.registry.now();
        self.thread.drop_ended(self.task.cell, self.outer, (self.at, ended));
    }
}

/// The living end of a cell: ends its account when it is dropped.
struct Task {
    registry: &'static Registry,
    cell: &'static TaskCell,
    /// The future is a task of its own: nothing polls it but its wakes.
    root: bool,
    done: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.done {
            self.cell.ledger.cancelled(self.registry.now());
        }
        self.registry.retire(self.cell);
        self.cell.release_future();
    }
}

impl<F> Instrumented<F> {
    pub(crate) fn new(
        registry: &'static Registry,
        name: super::identity::Name,
        location: &'static Location<'static>,
        root: bool,
        future: F,
    ) -> Self {
        let cell = registry.open(name, location, size_of::<F>(), root);
        let future = ManuallyDrop::new(future);
        Instrumented { future, task: Task { registry, cell, root, done: false } }
    }

    /// The key of the task, as [`TaskView::key`](super::TaskView::key) gives it.
    pub fn key(&self) -> u64 {
        self.task.cell.key()
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[allow(unsafe_code)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // SAFETY: a projection; nothing moves the future out of its place.
        let future = unsafe { this.future.map_unchecked_mut(|future| &mut **future) };
        let Task { registry, cell, root, done } = this.task;
        let (registry, cell) = (*registry, *cell);
        if *done {
            // Its account is closed. What the future makes of such a poll is its affair.
            return future.poll(context);
        }

        // SAFETY: `poll` has the future for itself.
        let adopted = unsafe { cell.adopt(context.waker()) };
        let frame = Frame::new(cell);
        let mut poll = Running::start(registry, &frame, cell, *root, done);
        let result = if adopted {
            // SAFETY: `this.task` holds a reference until after the poll.
            let waker = unsafe { waker::borrowed(cell) };
            go(future, &mut Context::from_waker(&waker), &poll)
        } else {
            let waker = Foreign::waker(cell, context.waker().clone());
            go(future, &mut Context::from_waker(&waker), &poll)
        };
        poll.outcome = result.is_ready().then_some(Outcome::Completed);
        result
    }
}

/// Polls the future, and if somebody asked where it waits, once more before that.
#[inline(always)]
fn go<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
    poll: &Running<'_>,
) -> Poll<F::Output> {
    #[cfg(feature = "watch")]
    if poll.started.asked {
        return trace::go(future, context, poll.registry, poll.cell.key());
    }
    #[cfg(not(feature = "watch"))]
    let _ = poll;
    future.poll(context)
}

/// A poll under way; dropped at its end, or by a panic on its way out.
struct Running<'a> {
    registry: &'static Registry,
    frame: &'a Frame,
    cell: &'static TaskCell,
    thread: &'static ThreadSlot,
    started: Started,
    outer: Outer,
    outcome: Option<Outcome>,
    done: &'a mut bool,
}

impl<'a> Running<'a> {
    #[inline(always)]
    fn start(
        registry: &'static Registry,
        frame: &'a Frame,
        cell: &'static TaskCell,
        root: bool,
        done: &'a mut bool,
    ) -> Self {
        let thread = registry.thread();
        let started = cell.ledger.poll_started(registry.now(), root);
        if let Some(delay) = started.delay {
            let bucket = bucket_of(delay);
            cell.delays.count(bucket);
            thread.waited(bucket, delay);
        }
        let outer = thread.poll_started(frame, started);
        // Until the future says otherwise: whatever leaves the poll early is a panic.
        let outcome = Some(Outcome::Panicked);
        Running { registry, frame, cell, thread, started, outer, outcome, done }
    }
}

impl Drop for Running<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let now = self.registry.now();
        let length = self.cell.ledger.poll_ended(self.started, now, self.outcome);
        self.cell.poll_times.count(bucket_of(length));
        self.thread.poll_ended(self.frame, self.outer, self.started.at + length);
        *self.done = self.outcome.is_some();
    }
}
