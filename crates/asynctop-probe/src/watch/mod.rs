//! The watchdog: records long polls with their stacks and causes.
//!
//! A thread samples all threads that poll tasks. A poll over the threshold becomes a
//! [`PollRecord`] while it lasts, with the stacks of its thread. Depends on `accounting`,
//! `asynctop-snapshot` and `asynctop-stack`. Stacks need Linux on x86_64 or aarch64; on other
//! platforms a record states that they are unavailable.
//!
//! ```text
//! watchdog.rs    starts and stops the watchdog; its records and statistics
//!   options.rs     thresholds, history size and signal of a watchdog
//!   state.rs       the state that the watchdog's thread and its handles share
//!   sample_loop.rs samples the probe's threads, and a long poll repeatedly
//!   watched_poll.rs the poll that a thread is in, and the captures requested for it
//!   analyzer.rs    the cause and the stacks of a long poll
//!   cpu_account.rs how long a thread was without a CPU
//!   canary.rs      the code of a current-thread runtime that is not measured
//!   busy_thread.rs when the stack of a busy thread is sampled
//!   steal.rs       steal time
//!   stops.rs       intervals in which the whole process was stopped
//!   impact.rs      the scheduling delay that a long poll causes to other tasks
//!   poll_log.rs    the records of long polls, running and ended
//!   linux/         one thread's stack and state, captured from outside
//!     blocked.rs     copies the stack of a thread that sleeps in the kernel
//!     signal.rs      the signal to a running thread, and its handler
//!     await_trace.rs a poll under Tokio's trace: the await points of a task
//!     mailbox.rs     the memory that the handler and the watchdog share
//!     symbolizer.rs  the thread that symbolizes stacks
//!     os.rs          CPU time, the system call that a thread is in
//!     cpu_times.rs   run-queue delay, load, cgroup throttling
//!   unsupported.rs replaces linux/ on other platforms
//! record.rs      the record of one long poll
//! cause.rs       how a thread spent its time
//! task_delays.rs the delay that one poll causes to one task, as arithmetic
//! await_points.rs  await-point queries and their answers
//! cpu_times.rs   CPU time, run-queue delay and steal time, read from the operating system
//! ```

mod analyzer;
mod await_points;
mod busy_thread;
mod canary;
mod cause;
mod cpu_account;
mod cpu_times;
mod impact;
mod options;
mod poll_log;
mod record;
mod sample_loop;
mod state;
mod steal;
mod stops;
mod task_delays;
mod watchdog;
mod watched_poll;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "unsupported.rs"]
mod platform;

pub use asynctop_snapshot::{
    AwaitPoint, AwaitState, CallKind, Cause, DelayedTask, Frame, FrameKind, ImpactAccuracy,
    LongPoll, MachineTimes, PollImpact, ProfileEntry, Stack, StackSample, Stop, SystemCall,
    ThreadTimes, TimeWithoutCpu,
};
pub(crate) use canary::{CanaryGuard, UNMEASURED};
pub use cpu_times::MachineReader;
pub(crate) use cpu_times::{machine_times, thread_times};
pub use options::WatchOptions;
pub use record::PollRecord;
use record::{StackOwner, Symbolized};
pub use watchdog::{WatchHandle, WatchStats, Watchdog};
