//! The mailboxes that the watchdogs and the signal handler share.
//!
//! A watchdog claims a mailbox, stores the requested thread in it and signals that thread; the
//! handler finds the mailbox, copies the stack into it and marks it as done. A mailbox's state is one
//! word with a generation, so a signal that arrives late (the thread blocked it, or was in the
//! kernel) finds either the request it was sent for, or a later one of the same thread, or none.
#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*},
};

use asynctop_stack::{CopyError, Registers, StackCopy, copy_stack};
use libc::c_void;

use crate::accounting::{CurrentPolls, ThreadSlot};

/// Maximum number of bytes copied, from the stack pointer up. Enough for hundreds of frames; the
/// outer ones are the runtime's.
const MAX_BYTES: usize = 64 * 1024;

/// One per pending request, of all watchdogs.
static MAILBOXES: [Mailbox; 8] = [const { Mailbox::new() }; 8];

/// States of a mailbox, in the lower bits of its word.
const FREE: u64 = 0;
/// A watchdog is writing its request.
const CLAIMED: u64 = 1;
/// The request is complete; the handler may accept it.
const REQUESTED: u64 = 2;
/// The handler is writing the copy.
const COPYING: u64 = 3;
/// The copy is complete.
const DONE: u64 = 4;
/// The watchdog dropped its ticket during the copy: the handler frees the mailbox.
const ABANDONED: u64 = 5;
const STATE_MASK: u64 = 7;
const GENERATION: u64 = 8;

struct Mailbox {
    word: AtomicU64,
    thread: AtomicU32,
    /// The slot in which the thread publishes its current poll; null if the poll is not requested.
    slot: AtomicPtr<ThreadSlot>,
    copied: UnsafeCell<CopiedStack>,
}

// SAFETY: `copied` is accessed by the handler in COPYING, and by the watchdog that holds the ticket
// in DONE. Everything else is atomic.
unsafe impl Sync for Mailbox {}

/// The registers and the stack of a thread, copied by the thread itself.
pub(super) struct CopiedStack {
    registers: Registers,
    /// Number of copied bytes, from the stack pointer up.
    len: Result<usize, CopyError>,
    polls: CurrentPolls,
    bytes: [u8; MAX_BYTES],
}

impl Mailbox {
    const fn new() -> Self {
        Mailbox {
            word: AtomicU64::new(FREE),
            thread: AtomicU32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            copied: UnsafeCell::new(CopiedStack {
                registers: Registers::pointers(0, 0),
                len: Ok(0),
                polls: CurrentPolls::NONE,
                bytes: [0; MAX_BYTES],
            }),
        }
    }
}

impl CopiedStack {
    /// The polls that the thread was in.
    pub(super) fn polls(&self) -> CurrentPolls {
        self.polls
    }

    pub(super) fn stack(&self) -> StackCopy<'_> {
        let len = self.len.unwrap_or(0);
        let is_full = len == MAX_BYTES;
        StackCopy { registers: self.registers, bytes: &self.bytes[..len], is_full }
    }
}

/// A requested stack. Dropping it cancels the request.
pub(in crate::watch) struct Ticket {
    mailbox: &'static Mailbox,
    /// The mailbox's word in state REQUESTED.
    requested: u64,
}

/// Writes a request to `thread` into a free mailbox; `None` if all are in use.
pub(super) fn claim(thread: u32, slot: Option<&'static ThreadSlot>) -> Option<Ticket> {
    let (mailbox, requested) = MAILBOXES.iter().find_map(|mailbox| {
        let free = mailbox.word.load(Relaxed);
        let claimed = (free & !STATE_MASK).wrapping_add(GENERATION) | CLAIMED;
        let is_free = free & STATE_MASK == FREE;
        let won = is_free && mailbox.word.compare_exchange(free, claimed, Acquire, Relaxed).is_ok();
        won.then_some((mailbox, claimed & !STATE_MASK | REQUESTED))
    })?;
    mailbox.thread.store(thread, Relaxed);
    let slot = slot.map_or(ptr::null_mut(), |slot| ptr::from_ref(slot).cast_mut());
    mailbox.slot.store(slot, Relaxed);
    mailbox.word.store(requested, Release);
    Some(Ticket { mailbox, requested })
}

/// The value of the watchdogs' signals, by which the handler distinguishes them from others.
pub(super) fn signal_value() -> *const c_void {
    (&raw const MAILBOXES).cast()
}

impl Ticket {
    /// The copy, or why it has failed; `None` if it is not complete.
    pub(super) fn copied(&self) -> Option<Result<&CopiedStack, &'static str>> {
        if self.mailbox.word.load(Acquire) != self.requested & !STATE_MASK | DONE {
            return None;
        }
        // SAFETY: in DONE only this ticket accesses the copy, and the ticket outlives the reference;
        // the handler's writes happened before the word became DONE.
        let copied = unsafe { &*self.mailbox.copied.get() };
        Some(copied.len.map(|_| copied).map_err(CopyError::reason))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let generation = self.requested & !STATE_MASK;
        let free = generation | FREE;
        let word = &self.mailbox.word;
        // Each exchange fails only if the handler has moved on to the next state.
        let cancelled = word.compare_exchange(self.requested, free, Release, Relaxed);
        let cancelled = cancelled.or_else(|_| {
            word.compare_exchange(generation | COPYING, generation | ABANDONED, Release, Relaxed)
        });
        if cancelled.is_err() {
            word.store(free, Release);
        }
    }
}

/// Answers the requests to `thread`. Called by the signal handler on that thread: only makes system
/// calls and accesses the statics of this module.
pub(super) fn answer(thread: u32, registers: Registers) {
    for mailbox in &MAILBOXES {
        let requested = mailbox.word.load(Acquire);
        if requested & STATE_MASK != REQUESTED || mailbox.thread.load(Relaxed) != thread {
            continue;
        }
        let generation = requested & !STATE_MASK;
        let copying = generation | COPYING;
        if mailbox.word.compare_exchange(requested, copying, Acquire, Relaxed).is_err() {
            continue;
        }
        // SAFETY: in COPYING only the handler accesses the copy.
        let copied = unsafe { &mut *mailbox.copied.get() };
        copied.registers = registers;
        // SAFETY: null, or a slot, which is never freed.
        let slot = unsafe { mailbox.slot.load(Relaxed).as_ref() };
        copied.polls = slot.map_or(CurrentPolls::NONE, ThreadSlot::peek);
        copied.len = copy_stack(registers.sp, &mut copied.bytes);
        let done = generation | DONE;
        if mailbox.word.compare_exchange(copying, done, Release, Relaxed).is_err() {
            mailbox.word.store(generation | FREE, Release);
        }
    }
}
