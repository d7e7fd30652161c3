//! The watchdog on real runtimes: long polls are found with the line and the reason, other polls
//! are left alone.
//!
//! The watchdogs of a process share its signal handlers and the memory into which stacks are
//! copied. A test that changes the handlers, or that a full memory would fail, runs in a process of
//! its own.

mod allocation;
mod awaits;
mod blocked;
mod handler;
mod impact;
mod signals;
mod stacks;
mod testing;
