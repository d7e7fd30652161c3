//! Tests of the watchdog on real runtimes: long polls are found with their line and cause, and other
//! polls are not affected.
//!
//! The watchdogs of a process share its signal handlers and the mailboxes into which stacks are
//! copied. A test that changes the handlers, or that would fail without a free mailbox, runs in a
//! separate process.

mod allocation;
mod awaits;
mod blocked;
mod handler;
mod impact;
mod signals;
mod stacks;
mod testing;
