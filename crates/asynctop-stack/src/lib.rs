//! Unwinds and symbolizes copied thread stacks.
//!
//! 1. A [`StackCopy`] has the registers of a thread and the bytes from its stack pointer up. It is
//!    made with [`copy_stack`]: by a signal handler on the thread itself, or by any other thread
//!    while that one sleeps in the kernel.
//! 2. [`Unwinder`] follows the callers in the copy with the program's unwind tables: for this
//!    process, or for another one with the given [`Module`]s ([`Unwinder::of_process`]).
//! 3. `Symbolizer` (feature `symbols`, on by default) reads names and lines from the program's
//!    debug information. The first stack takes up to seconds in a large program, so it should run on
//!    a thread of its own. It trusts the program's files, so it is for this process only.
//!
//! [`Activity`] is where a blocked thread is, as the kernel reports it.
//!
//! Depends on `asynctop-snapshot`, whose `Stack` is the result, and on no other crate of asynctop.
//! The crate is empty except on Linux on x86_64 and aarch64.
//!
#![cfg_attr(feature = "symbols", doc = "```")]
#![cfg_attr(not(feature = "symbols"), doc = "```ignore")]
//! use asynctop_stack::{Activity, Registers, StackCopy, Symbolizer, Unwinder, copy_stack};
//! use std::{fs, path::Path, sync::mpsc, thread, time::Duration};
//!
//! fn nap() {
//!     thread::sleep(Duration::from_secs(600));
//! }
//!
//! let (sender, receiver) = mpsc::channel();
//! thread::spawn(move || {
//!     sender.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
//!     nap();
//! });
//! let report = Path::new("/proc").join(receiver.recv().unwrap()).join("syscall");
//!
//! let mut unwinder = Unwinder::new();
//! let mut symbolizer = Symbolizer::new();
//! let mut buffer = vec![0; 64 * 1024];
//! let stack = loop {
//!     let report = fs::read_to_string(&report).unwrap();
//!     let Some(Activity::Blocked { stack_pointer, program_counter, .. }) =
//!         Activity::parse(&report)
//!     else {
//!         thread::yield_now();
//!         continue;
//!     };
//!     let len = copy_stack(stack_pointer, &mut buffer).unwrap();
//!     let copy = StackCopy {
//!         registers: Registers::pointers(program_counter, stack_pointer),
//!         bytes: &buffer[..len],
//!         is_full: len == buffer.len(),
//!     };
//!     let unwound = unwinder.unwind_blocked(&copy);
//!     let stack = symbolizer.symbolize(&unwound, unwinder.modules());
//!     if stack.frames.iter().any(|frame| frame.function.contains("nap")) {
//!         break stack;
//!     }
//! };
//! println!("{stack}");
//! ```
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod activity;
mod code;
mod copy;
mod loaded;
mod modules;
#[cfg(feature = "symbols")]
mod names;
mod origin;
#[cfg(feature = "symbols")]
mod symbolizer;
mod unwind;

pub use activity::{Activity, syscall_name};
pub use copy::{CopyError, Registers, StackCopy, copy_stack};
pub use modules::{Module, Modules, UnwindTables};
pub use origin::frame_kind;
#[cfg(feature = "symbols")]
pub use symbolizer::{Symbolizer, frames_of};
pub use unwind::{Unwinder, Unwound};
