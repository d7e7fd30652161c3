//! The future that measures another future.

use std::{
    future::Future,
    mem::{ManuallyDrop, needs_drop},
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{
    cell::TaskCell,
    identity::Name,
    ledger::Started,
    reading::Outcome,
    registry::Registry,
    thread::{self, PollFrame, RawPoll, ThreadSlot},
    waker::{self, ForeignWaker, PollWaker},
};
#[cfg(feature = "watchdog")]
use super::{ledger::Mode, trace};
use asynctop_snapshot::bucket_of;

pin_project! {
    /// A future whose polls and wakes are counted and timed.
    ///
    /// Created by [`instrument`](super::instrument) and [`Registry::instrument`].
    #[must_use = "futures do nothing until they are awaited or spawned"]
    pub struct Instrumented<F> {
        // Dropped by `PinnedDrop`, which measures the drop.
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

impl Registry {
    /// Measures `future` under `name`, wherever it is polled.
    #[track_caller]
    pub fn instrument<F: Future>(&'static self, name: &str, future: F) -> Instrumented<F> {
        self.instrument_on(0, name, false, future)
    }

    /// Measures `future`, which the caller passes to an executor as a task of its own: each of its
    /// polls follows a wake.
    #[track_caller]
    pub fn instrument_task<F: Future>(&'static self, name: &str, future: F) -> Instrumented<F> {
        self.instrument_on(0, name, true, future)
    }

    /// Measures `future` as part of the runtime with this number, which the program assigns; 0 is an
    /// unknown runtime. Tasks of different runtimes never delay each other. `root` is whether the
    /// future is a task of its own, as for [`instrument_task`](Self::instrument_task).
    #[track_caller]
    pub fn instrument_on<F: Future>(
        &'static self,
        runtime: u32,
        name: &str,
        root: bool,
        future: F,
    ) -> Instrumented<F> {
        let (name, location) = (Name::new(name), Location::caller());
        let cell = self.open(name, location, size_of::<F>(), (root, runtime));
        Instrumented::new(self, cell, root, future)
    }
}

/// Drops the future, which runs user code and may take long. In a stack, the frames called by this
/// function belong to the task.
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

/// The running drop of a future. Dropped at its end, also by a panic.
struct Dropping<'a> {
    task: &'a Task,
    thread: &'static ThreadSlot,
    at: u64,
    outer: RawPoll,
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

/// The future's reference to its cell. Dropping it ends the task.
struct Task {
    registry: &'static Registry,
    cell: &'static TaskCell,
    /// Whether the future is a task of its own: each of its polls follows a wake.
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

    /// The key of the task, as [`TaskView::key`](super::TaskView::key) returns it.
    pub fn key(&self) -> u64 {
        self.task.cell.key()
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    #[allow(unsafe_code)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // SAFETY: a projection; the future is never moved.
        let future = unsafe { this.future.map_unchecked_mut(|future| &mut **future) };
        let Task { registry, cell, root, done } = this.task;
        let (registry, cell) = (*registry, *cell);
        if *done {
            // The task has ended: such a poll is not measured.
            return future.poll(context);
        }

        // SAFETY: `poll` has exclusive access to the future.
        let poll_waker = unsafe { waker::adopt(cell, context.waker()) };
        let (borrowed, foreign);
        let waker = match poll_waker {
            PollWaker::Borrowed => {
                // SAFETY: `this.task` holds a reference until after the poll.
                borrowed = unsafe { waker::borrowed(cell) };
                &*borrowed
            }
            PollWaker::Foreign => {
                foreign = ForeignWaker::create(cell, context.waker().clone());
                &foreign
            }
            PollWaker::Silent => context.waker(),
        };
        let context = &mut Context::from_waker(waker);
        let frame = PollFrame::new(cell);
        // Destructured, because the compiler copies a whole `Started` through memory.
        let Started { at, delay, mode } =
            cell.ledger.poll_started(registry.now(), *root, thread::is_in_query_poll);
        #[cfg(feature = "watchdog")]
        if mode != Mode::Plain {
            let poll = move || match mode {
                Mode::Traced | Mode::TracedQuery => {
                    trace::poll(future, context, registry, cell.key())
                }
                Mode::Plain | Mode::Query => future.poll(context),
            };
            return query_poll(registry, &frame, cell, Started { at, delay, mode }, done, poll);
        }
        let started = Started { at, delay, mode };
        Running::<false>::start(registry, &frame, cell, started, done).run(|| future.poll(context))
    }
}

/// A poll that is caused or traced for an await-point query.
#[cfg(feature = "watchdog")]
#[cold]
fn query_poll<T>(
    registry: &'static Registry,
    frame: &PollFrame,
    cell: &'static TaskCell,
    started: Started,
    done: &mut bool,
    poll: impl FnOnce() -> Poll<T>,
) -> Poll<T> {
    if started.mode == Mode::Traced {
        Running::<false>::start(registry, frame, cell, started, done).run(poll)
    } else {
        Running::<true>::start(registry, frame, cell, started, done).run(poll)
    }
}

/// A running poll. Dropped at its end, also by a panic. `QUERY` if the watchdog has caused it.
struct Running<'a, const QUERY: bool> {
    registry: &'static Registry,
    frame: &'a PollFrame,
    cell: &'static TaskCell,
    thread: &'static ThreadSlot,
    began: u64,
    outer: RawPoll,
    outcome: Option<Outcome>,
    done: &'a mut bool,
}

impl<'a, const QUERY: bool> Running<'a, QUERY> {
    #[inline(always)]
    fn start(
        registry: &'static Registry,
        frame: &'a PollFrame,
        cell: &'static TaskCell,
        started: Started,
        done: &'a mut bool,
    ) -> Self {
        let thread = registry.thread();
        if let Some(delay) = started.delay {
            let bucket = bucket_of(delay);
            cell.delays.count(bucket);
            thread.count_delay(bucket, delay);
        }
        let outer = if QUERY {
            thread.query_poll_started(frame, started.at)
        } else {
            thread.poll_started(frame, started.at)
        };
        // The outcome of a poll that does not return.
        let outcome = Some(Outcome::Panicked);
        Running { registry, frame, cell, thread, began: started.at, outer, outcome, done }
    }

    #[inline(always)]
    fn run<T>(mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let result = poll();
        self.outcome = result.is_ready().then_some(Outcome::Completed);
        result
    }
}

impl<const QUERY: bool> Drop for Running<'_, QUERY> {
    #[inline(always)]
    fn drop(&mut self) {
        let now = self.registry.now();
        if QUERY {
            let length = self.cell.ledger.query_poll_ended(self.began, now, self.outcome);
            self.thread.query_poll_ended(self.frame, self.outer, (self.began, self.began + length));
        } else {
            let length = self.cell.ledger.poll_ended(self.began, now, self.outcome);
            self.cell.poll_times.count(bucket_of(length));
            self.thread.poll_ended(self.frame, self.outer, self.began + length);
        }
        *self.done = self.outcome.is_some();
    }
}
