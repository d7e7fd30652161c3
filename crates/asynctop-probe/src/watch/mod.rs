//! Who holds a thread without yielding, at which line of code, and why: the watchdog.
//!
//! Depends on the probe and on the data of a snapshot. Knows nothing of runtimes, sources or
//! findings. Stacks need Linux on x86_64 or aarch64; elsewhere a record states that they are
//! unavailable.
//!
//! ```text
//! watchdog.rs  how to start and stop the watchdog, and what it has to say
//!   options.rs   thresholds, memory and signal of a watchdog
//!   shared.rs    the state that the watchdog's thread and its handles share
//!   rounds.rs    looks at the probe's threads, and at a long poll again and again
//!   inspector.rs looks closely at one long poll: why, and where
//!   case.rs      what has been looked for in one poll so far
//!   cpu_account.rs  how long a thread was without a CPU
//!   busy_thread.rs  when the stack of a busy thread is sampled
//!   steal.rs     steal time
//!   stops.rs     intervals in which the whole process was stopped
//!   bill.rs      who waits because of a long poll
//!   log.rs       what is known of each long poll; the polls that are over
//!   linux/       one thread's stack and state, from outside
//!     blocked.rs   copies the stack of a thread that sleeps in the kernel
//!     signal.rs    the signal to a running thread, and its handler
//!     leaf.rs      a poll under Tokio's trace: where a task waits
//!     mailbox.rs   what the handler and the watchdog share
//!     namer.rs     the thread that looks names up
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
    AwaitPoint, Awaits, CallKind, Cause, Cost, Evidence, Frame, FrameKind, MachineTimes, Share,
    Stack, StackSample, Stop, SystemCall, ThreadTimes, TimeWithoutCpu, Waited,
};
pub use cpu_times::{machine_times, thread_times};
pub use options::WatchOptions;
use record::Owner;
pub use record::PollRecord;
pub use watchdog::{WatchHandle, WatchStats, Watchdog};
