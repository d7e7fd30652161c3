//! Who holds a thread without yielding, at which line of code, and why: the watchdog.
//!
//! This room knows the probe's threads and, where it can, their stacks and what the
//! operating system says of them. It knows nothing of runtimes, snapshots or findings:
//! what it hands out is plain data ([`PollRecord`], [`Evidence`]), which is there in
//! every build, so that a model can carry it. The watchdog itself needs the feature
//! `watch`, and stacks need Linux on x86_64 or aarch64; elsewhere a record says so.
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
//!     copy.rs      copies of registers and stacks
//!     code.rs      facts about a stack from machine instructions
//!     unwind.rs    a copy of a stack -> addresses
//!     namer.rs     the thread that looks names up
//!     symbols.rs   addresses -> functions, files and lines
//!     names.rs     whose code a frame is; names and paths as people write them
//!     os.rs        CPU time, the system call that a thread is in
//!     supply.rs    run-queue delay, load, cgroup throttling
//! record.rs    the plain data of a long poll
//! evidence.rs  a long poll in few words
//! stack.rs     the plain data of a stack
//! stack_sample.rs  a stack of a busy thread whose polls are short
//! awaits.rs    the plain data of where an idle task waits
//! cost.rs      what a long poll costs the others
//! cause.rs     why a poll is long
//! time_without_cpu.rs  time inside a poll that is not the task's own
//! cpu_times.rs CPU time, run-queue delay and steal time
//! ```

mod awaits;
mod cause;
mod cost;
mod cpu_times;
mod evidence;
mod record;
mod stack;
mod stack_sample;
mod time_without_cpu;

#[cfg(feature = "watch")]
mod bill;
#[cfg(feature = "watch")]
mod busy_thread;
#[cfg(feature = "watch")]
mod case;
#[cfg(feature = "watch")]
mod cpu_account;
#[cfg(feature = "watch")]
mod inspector;
#[cfg(feature = "watch")]
mod log;
#[cfg(feature = "watch")]
mod options;
#[cfg(feature = "watch")]
mod rounds;
#[cfg(feature = "watch")]
mod shared;
#[cfg(feature = "watch")]
mod steal;
#[cfg(feature = "watch")]
mod stops;
#[cfg(feature = "watch")]
mod watchdog;

#[cfg(all(
    feature = "watch",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod eyes;
#[cfg(all(
    feature = "watch",
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))
))]
#[path = "elsewhere.rs"]
mod eyes;

pub use awaits::{AwaitPoint, Awaits};
pub use cause::{CallKind, Cause, SystemCall};
pub use cost::{Cost, Waited};
pub use cpu_times::{MachineTimes, ThreadTimes};
pub use evidence::{Evidence, Share};
#[cfg(feature = "watch")]
pub use options::WatchOptions;
#[cfg(feature = "watch")]
use record::Owner;
pub use record::PollRecord;
#[cfg(test)]
pub(crate) use stack::testing;
pub use stack::{Frame, FrameKind, Stack};
pub use stack_sample::StackSample;
pub use time_without_cpu::{Stop, TimeWithoutCpu};
#[cfg(feature = "watch")]
pub use watchdog::{WatchHandle, WatchStats, Watchdog};
