//! The future that measures another one.

use std::{
    future::Future,
    mem::{ManuallyDrop, needs_drop},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use super::{
    cell::TaskCell,
    ledger::Started,
    reading::Outcome,
    registry::Registry,
    thread::{self, Frame, Outer, ThreadSlot},
    waker::{self, Foreign},
};
#[cfg(feature = "watch")]
use super::{ledger::How, trace};
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
        // Dropped after the future: the future's destructors run as part of the task.
        task: Task,
    }

    impl<F> PinnedDrop for Instrumented<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            drop_future(this.future, this.task);
        }
    }
}

/// Drops the future, which is user code that may take long. In a stack, the frames that this
/// function calls belong to the task.
#[allow(unsafe_code)]
#[inline(never)]
fn drop_future<F>(future: Pin<&mut ManuallyDrop<F>>, task: &Task) {
    if !needs_drop::<F>() {
        return;
    }
    let _dropping = Dropping::start(task);
    // SAFETY: dropped in place, only here, and not used afterwards.
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
        self.thread.uncounted_ended(self.task.cell, self.outer, (self.at, ended));
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
        cell: &'static TaskCell,
        root: bool,
        future: F,
    ) -> Self {
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

        let probed = !*root && thread::is_probing();
        let poll_waker = if probed && context.waker().will_wake(Waker::noop()) {
            // Nested in a traced poll, whose waker does nothing. The real poll follows, with the
            // waker to call.
            PollWaker::Silent
        // SAFETY: `poll` has the future for itself.
        } else if unsafe { cell.adopt(context.waker()) } {
            PollWaker::Borrowed
        } else {
            PollWaker::Foreign
        };
        let frame = Frame::new(cell);
        let started = cell.ledger.poll_started(registry.now(), *root, probed);
        #[cfg(feature = "watch")]
        if started.how != How::Plain {
            let poll = |context: &mut Context<'_>| match started.how {
                How::Traced | How::TracedProbe => trace::go(future, context, registry, cell.key()),
                How::Plain | How::Probe => future.poll(context),
            };
            let poll = || with_recording_waker(cell, poll_waker, context, poll);
            return probe(registry, &frame, cell, started, done, poll);
        }
        let mut poll = Running::start(registry, &frame, cell, started, done);
        let result =
            with_recording_waker(cell, poll_waker, context, |context| future.poll(context));
        poll.outcome = result.is_ready().then_some(Outcome::Completed);
        result
    }
}

/// Polls with a waker that notes the wakes of the task and then calls Tokio's.
#[allow(unsafe_code)]
#[inline(always)]
fn with_recording_waker<T>(
    cell: &'static TaskCell,
    poll_waker: PollWaker,
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    match poll_waker {
        PollWaker::Borrowed => {
            // SAFETY: the caller holds a reference until after the poll.
            let waker = unsafe { waker::borrowed(cell) };
            poll(&mut Context::from_waker(&waker))
        }
        PollWaker::Foreign => {
            let waker = Foreign::waker(cell, context.waker().clone());
            poll(&mut Context::from_waker(&waker))
        }
        PollWaker::Silent => poll(context),
    }
}

/// The waker that a measured future is polled with.
#[derive(Clone, Copy)]
enum PollWaker {
    /// Records wakes and calls the waker that the cell has adopted.
    Borrowed,
    /// Records wakes and calls another waker, of which it holds a clone.
    Foreign,
    /// The waker of a traced poll, which does nothing.
    Silent,
}

/// A poll that the watchdog has caused or has requested a trace of.
#[cfg(feature = "watch")]
#[cold]
fn probe<T>(
    registry: &'static Registry,
    frame: &Frame,
    cell: &'static TaskCell,
    started: Started,
    done: &mut bool,
    poll: impl FnOnce() -> Poll<T>,
) -> Poll<T> {
    if started.how == How::Traced {
        let mut running = Running::start(registry, frame, cell, started, done);
        let result = poll();
        running.outcome = result.is_ready().then_some(Outcome::Completed);
        return result;
    }
    let thread = registry.thread();
    let outer = thread.probe_started(frame, started.at);
    let outcome = Some(Outcome::Panicked);
    let mut probing = Probing { registry, frame, cell, thread, started, outer, outcome, done };
    let result = poll();
    probing.outcome = result.is_ready().then_some(Outcome::Completed);
    result
}

/// A poll under way that the watchdog has caused; dropped at its end, or by a panic.
#[cfg(feature = "watch")]
struct Probing<'a> {
    registry: &'static Registry,
    frame: &'a Frame,
    cell: &'static TaskCell,
    thread: &'static ThreadSlot,
    started: Started,
    outer: Outer,
    outcome: Option<Outcome>,
    done: &'a mut bool,
}

#[cfg(feature = "watch")]
impl Drop for Probing<'_> {
    fn drop(&mut self) {
        let now = self.registry.now().max(self.started.at);
        self.cell.ledger.probe_ended(self.started, now, self.outcome);
        self.thread.probe_ended(self.frame, self.outer, (self.started.at, now));
        *self.done = self.outcome.is_some();
    }
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
        started: Started,
        done: &'a mut bool,
    ) -> Self {
        let thread = registry.thread();
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
