//! Tests that fail when something in them blocks a worker.
//!
//! ```
//! # use std::time::Duration;
//! use asynctop_probe::testing;
//!
//! # /*
//! #[tokio::test]
//! # */
//! # #[tokio::main(flavor = "current_thread")]
//! async fn does_not_block() {
//!     testing::run(Duration::from_millis(100), async {
//!         let answer = asynctop_probe::spawn(async { 6 * 7 }).await.unwrap();
//!         assert_eq!(answer, 42);
//!     })
//!     .await;
//! }
//! # // rustdoc calls it main.
//! # fn _name() { let _ = main; }
//! # use does_not_block as main;
//! ```
//!
//! A poll over the limit makes the test fail. The message has its task, length, line and stack:
//!
//! ```should_panic
//! # use std::{thread, time::Duration};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! asynctop_probe::testing::run(Duration::from_millis(50), async {
//!     thread::sleep(Duration::from_millis(200)); // instead of tokio::time::sleep
//! })
//! .await;
//! # }
//! ```
//!
//! # What is checked
//! - The test's own future, and each task that is spawned or wrapped with [`spawn`],
//!   [`spawn_named`], [`instrument_task`] or [`instrument`].
//! - On a current-thread runtime, the default of `#[tokio::test]`, also everything else that runs
//!   there, such as tasks of plain `tokio::spawn` in a library. The check spawns a task for this:
//!   if neither that task nor a measured one is polled for longer than the limit, the test fails.
//!   The message has the stack, and no name. Up to 31 polls in a row may count as one: by default,
//!   Tokio polls that many tasks before it polls one that another thread has woken.
//! - On a multi-thread runtime, tasks of plain `tokio::spawn` are not checked: other workers poll the
//!   other tasks. Spawn what is to be checked with [`spawn`] or wrap it in [`instrument_task`], or
//!   run the test on a current-thread runtime.
//! - A poll that is over the limit by less than 20 ms may be missed. On Linux, time in which the
//!   thread was runnable without a CPU does not count, nor does steal time, nor time in which the
//!   whole process was stopped, so a busy CI machine does not make a test fail. Time asleep, in a
//!   system call or waiting for a lock counts; from a wait for a lock, the largest run-queue delay of
//!   any one other thread is deducted.
//! - Stacks need Linux on x86_64 or aarch64. On other platforms, the message has only the task and the
//!   length.
//!
//! Both flavors of `#[tokio::test]` work. One check runs at a time in a process, and the next one
//! awaits its end: all measured tasks of the process count, so concurrent tests would fail because of
//! each other. A check inside another one would wait forever.
//!
//! [`spawn`]: crate::spawn()
//! [`spawn_named`]: crate::spawn_named
//! [`instrument`]: crate::instrument()
//! [`instrument_task`]: crate::instrument_task()

mod hang;
mod report;

use std::{
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use tokio::sync::{Mutex, MutexGuard};

use crate::{
    accounting::Registry,
    watch::{CanaryGuard, WatchOptions, Watchdog},
};
use hang::HangDetector;

/// Runs a test, and fails if anything in it blocks a worker for longer than `limit`.
///
/// # Panics
/// If a poll was over the limit, with its task, line and stack. A panic of the test is passed on.
pub async fn run<F: Future>(limit: Duration, test: F) -> F::Output {
    Check::new(limit).run(test).await
}

/// The limits that are checked while a test runs.
///
/// ```
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// asynctop_probe::testing::Check::new(Duration::from_millis(100))
///     .hang_after(Duration::from_secs(30))
///     .run(async { tokio::task::yield_now().await })
///     .await;
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it checks nothing until it runs"]
pub struct Check {
    limit: Duration,
    hang_after: Option<Duration>,
}

impl Check {
    /// Creates a check that no poll takes longer than `limit`, which is at least 1 ms.
    pub fn new(limit: Duration) -> Self {
        Check { limit, hang_after: None }
    }

    /// Makes a test that takes this long fail, with the state of each measured task and, where [await
    /// points are available](crate::watch::WatchHandle::request_await_point), the chain of awaits in
    /// which it waits. If the test's own thread is blocked, so that it cannot fail, or another one is, so that
    /// its runtime cannot be dropped, the message is written to stderr and the process ends with exit code
    /// 101.
    pub fn hang_after(self, time: Duration) -> Self {
        Check { hang_after: Some(time), ..self }
    }

    /// Runs a test.
    ///
    /// # Panics
    /// As [`run`], and if the test hangs.
    pub async fn run<F: Future>(self, test: F) -> F::Output {
        let registry = Registry::global();
        let running = RunningCheck::start(registry).await;
        let began = registry.now();
        let options = WatchOptions {
            long_poll: self.limit,
            blocking_poll: self.limit,
            ..WatchOptions::default()
        };
        let watchdog = Watchdog::start(registry, options).unwrap_or_else(|error| {
            panic!("cannot start the watchdog: {error}; try with fewer threads")
        });
        let hang_detector = self
            .hang_after
            .map(|after| HangDetector::start(after, registry, watchdog.handle().clone()));
        let canary = CanaryGuard::start(registry, watchdog.handle());
        let mut test = pin!(registry.instrument(report::TEST, test));
        let output = poll_fn(|context| {
            let report = hang_detector.as_ref().and_then(|hang| hang.poll_report(context.waker()));
            if let Some(report) = report {
                panic!("{report}");
            }
            test.as_mut().poll(context)
        })
        .await;
        drop((hang_detector, canary));
        if let Some(report) =
            report::blocked(watchdog.handle(), began, self.limit, &running.leftover)
        {
            panic!("{report}");
        }
        output
    }
}

/// The check that runs. The next one starts when this is dropped.
struct RunningCheck {
    registry: &'static Registry,
    /// Keys of the measured tasks that earlier checks have left: their runtimes may still poll or drop
    /// them.
    leftover: MutexGuard<'static, BTreeSet<u64>>,
}

impl RunningCheck {
    async fn start(registry: &'static Registry) -> RunningCheck {
        static LEFTOVER: Mutex<BTreeSet<u64>> = Mutex::const_new(BTreeSet::new());
        RunningCheck { registry, leftover: LEFTOVER.lock().await }
    }
}

impl Drop for RunningCheck {
    fn drop(&mut self) {
        self.leftover.clear();
        self.registry.scan(self.registry.now(), |task| {
            if !task.reading.state.is_done() {
                self.leftover.insert(task.key());
            }
        });
    }
}
