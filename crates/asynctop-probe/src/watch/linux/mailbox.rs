//! The mailboxes that a watchdog and the signal's handler share.
//!
//! The watchdog claims one, writes down which thread it wants and sends the signal to
//! that thread; the handler finds the mailbox, copies and says so. A mailbox's state is
//! one word with a generation, so a signal that arrives late (the thread blocked it, or
//! sat in the kernel) finds either the request it was sent for, or a later one of the
//! same thread, or none.
#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*},
};

use asynctop_stack::{CopyError, Registers, StackCopy, copy_stack};
use libc::c_void;

use crate::accounting::ThreadSlot;

/// How much of a stack is copied, from its inner end. Enough for hundreds of frames; what
/// lies further out is the runtime's.
const STACK: usize = 64 * 1024;

/// Threads that may owe an answer at one time.
const MAILBOXES: usize = 8;
static MAILBOXES_OF_ALL: [Mailbox; MAILBOXES] = [const { Mailbox::new() }; MAILBOXES];

/// States of a mailbox, the lower bits of its word.
const FREE: u64 = 0;
/// A watchdog writes its request.
const CLAIMED: u64 = 1;
/// The request stands, the handler may take it.
const ASKED: u64 = 2;
/// The handler writes.
const COPYING: u64 = 3;
/// The copy is there for the watchdog.
const DONE: u64 = 4;
/// The watchdog gave up while the handler wrote: the handler frees the mailbox.
const ABANDONED: u64 = 5;
const STATE: u64 = 7;
const GENERATION: u64 = 8;

struct Mailbox {
    word: AtomicU64,
    thread: AtomicU32,
    /// Where the thread publishes the poll that it is in; null if nobody wants to know.
    slot: AtomicPtr<ThreadSlot>,
    copied: UnsafeCell<Copied>,
}

// SAFETY: `copied` belongs to whoever moved `word` to its present state: to the handler
// in COPYING, to the watchdog that holds the ticket in DONE. The rest is atomic.
unsafe impl Sync for Mailbox {}

/// What a thread copied of itself.
pub(super) struct Copied {
    registers: Registers,
    /// The number of bytes of the stack, from the stack pointer up.
    len: Result<usize, CopyError>,
    task: u64,
    began: u64,
    has_poll: bool,
    bytes: [u8; STACK],
}

impl Mailbox {
    const fn new() -> Self {
        Mailbox {
            word: AtomicU64::new(FREE),
            thread: AtomicU32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            copied: UnsafeCell::new(Copied {
                registers: Registers::pointers(0, 0),
                len: Ok(0),
                task: 0,
                began: 0,
                has_poll: false,
                bytes: [0; STACK],
            }),
        }
    }
}

impl Copied {
    /// The task and the beginning of the poll that the thread was in.
    pub(super) fn poll(&self) -> Option<(u64, u64)> {
        self.has_poll.then_some((self.task, self.began))
    }

    /// The registers and the stack.
    pub(super) fn stack(&self) -> StackCopy<'_> {
        let len = self.len.unwrap_or(0);
        StackCopy { registers: self.registers, bytes: &self.bytes[..len], is_full: len == STACK }
    }
}

/// A stack that was asked for. Dropped, it is not wanted any more.
pub(in crate::watch) struct Ticket {
    mailbox: &'static Mailbox,
    /// The mailbox's word in state ASKED.
    asked: u64,
}

/// Writes a request to `thread` into a free mailbox; `None` if all wait for answers.
pub(super) fn claim(thread: u32, slot: Option<&'static ThreadSlot>) -> Option<Ticket> {
    let (mailbox, asked) = MAILBOXES_OF_ALL.iter().find_map(|mailbox| {
        let free = mailbox.word.load(Relaxed);
        let claimed = (free & !STATE).wrapping_add(GENERATION) | CLAIMED;
        let is_free = free & STATE == FREE;
        let won = is_free && mailbox.word.compare_exchange(free, claimed, Acquire, Relaxed).is_ok();
        won.then_some((mailbox, claimed & !STATE | ASKED))
    })?;
    mailbox.thread.store(thread, Relaxed);
    let slot = slot.map_or(ptr::null_mut(), |slot| ptr::from_ref(slot).cast_mut());
    mailbox.slot.store(slot, Relaxed);
    mailbox.word.store(asked, Release);
    Some(Ticket { mailbox, asked })
}

/// What our signals carry, so that the handler knows them from everybody else's.
pub(super) fn mark() -> *const c_void {
    (&raw const MAILBOXES_OF_ALL).cast()
}

impl Ticket {
    /// The copy, if it is there, or why there is none.
    pub(super) fn copied(&self) -> Option<Result<&Copied, &'static str>> {
        if self.mailbox.word.load(Acquire) != self.asked & !STATE | DONE {
            return None;
        }
        // SAFETY: in DONE the copy belongs to this ticket, and the ticket outlives the
        // reference; the handler's writes came before the word.
        let copied = unsafe { &*self.mailbox.copied.get() };
        Some(copied.len.map(|_| copied).map_err(CopyError::reason))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let generation = self.asked & !STATE;
        let free = generation | FREE;
        let word = &self.mailbox.word;
        // Each step fails only because the handler went on to the state of the next.
        let not_begun = word.compare_exchange(self.asked, free, Release, Relaxed);
        let left = not_begun.or_else(|_| {
            word.compare_exchange(generation | COPYING, generation | ABANDONED, Release, Relaxed)
        });
        if left.is_err() {
            word.store(free, Release);
        }
    }
}

/// Answers a request to `thread`, if there is one. For the signal's handler on that very
/// thread: makes system calls and touches our statics, and nothing else.
pub(super) fn answer(thread: u32, registers: Registers) {
    for mailbox in &MAILBOXES_OF_ALL {
        let asked = mailbox.word.load(Acquire);
        if asked & STATE != ASKED || mailbox.thread.load(Relaxed) != thread {
            continue;
        }
        let generation = asked & !STATE;
        let copying = generation | COPYING;
        if mailbox.word.compare_exchange(asked, copying, Acquire, Relaxed).is_err() {
            continue;
        }
        // SAFETY: in COPYING the copy is the handler's.
        let copied = unsafe { &mut *mailbox.copied.get() };
        copied.registers = registers;
        // SAFETY: null, or a slot, which is never freed.
        let poll = unsafe { mailbox.slot.load(Relaxed).as_ref() }.and_then(ThreadSlot::glance);
        copied.has_poll = poll.is_some();
        (copied.task, copied.began) = poll.unwrap_or((0, 0));
        copied.len = copy_stack(registers.sp, &mut copied.bytes);
        let done = generation | DONE;
        if mailbox.word.compare_exchange(copying, done, Release, Relaxed).is_err() {
            mailbox.word.store(generation | FREE, Release);
        }
    }
}
