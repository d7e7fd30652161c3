//! The watchdog: which poll blocks its thread, at which line of code, and why.
//!
//! A thread samples all threads that poll tasks. A poll over the threshold becomes a
//! [`PollRecord`] while it lasts, with the stacks of its thread. Depends on `accounting`,
//! `asynctop-snapshot` and `asynctop-stack`. Stacks need Linux on x86_64 or aarch64; elsewhere a
//! record states that they are unavailable.
//!
//! ```text
//! watchdog.rs  starts and stops the watchdog; its records and statistics
//!   options.rs   thresholds, memory and signal of a watchdog
//!   shared.rs    the state that the watchdog's thread and its handles share
//!   rounds.rs    samples the probe's threads, and a long poll repeatedly
//!   inspector.rs the cause and the stacks of one long poll
//!   case.rs      the captures requested for one poll so far
//!   cpu_account.rs  how long a thread was without a CPU
//!   busy_thread.rs  when the stack of a busy thread is sampled
//!   steal.rs     steal time
//!   stops.rs     intervals in which the whole process was stopped
//!   bill.rs      the tasks that a long poll delays
//!   log.rs       the records of long polls, running and ended
//!   linux/       one thread's stack and state, from outside
//!     blocked.rs   copies the stack of a thread that sleeps in the kernel
//!     signal.rs    the signal to a running thread, and its handler
//!     leaf.rs      a poll under Tokio's trace: where a task waits
//!     mailbox.rs   the memory that the handler and the watchdog share
//!     namer.rs     the thread that symbolizes stacks
//!     os.rs        CPU time, the system call that a thread is in
//!     supply.rs    run-queue delay, load, cgroup throttling
//! record.rs    a long poll as the watchdog records it
//! judge.rs     why a thread spent its time
//! waits.rs     what a long poll costs other tasks, as arithmetic
//! await_points.rs  await-point queries and their answers
//! cpu_times.rs CPU time, run-queue delay and steal time, read from the operating system
//! ```

mod record;

mod await_points;
mod bill;
mod busy_thread;
mod case;
mod cpu_account;
mod cpu_times;
mod inspector;
mod judge;
mod log;
mod options;
mod rounds;
mod shared;
mod steal;
mod stops;
mod waits;
mod watchdog;

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "linux/mod.rs"]
mod eyes;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "elsewhere.rs"]
mod eyes;

pub use asynctop_snapshot::{
    AwaitPoint, AwaitState, CallKind, Cause, DelayedTask, Frame, FrameKind, LongPoll, MachineTimes,
    PollImpact, ProfileEntry, Stack, StackSample, Stop, SystemCall, ThreadTimes, TimeWithoutCpu,
};
pub(crate) use cpu_times::{machine_times, thread_times};
pub use options::WatchOptions;
use record::Owner;
pub use record::PollRecord;
pub use watchdog::{WatchHandle, WatchStats, Watchdog};
