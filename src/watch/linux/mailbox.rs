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
    mem::zeroed,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::*},
};

use libc::{c_int, c_void, iovec};

use super::signal::Registers;
use crate::probe::ThreadSlot;

/// How much of a stack is copied, from its inner end. Enough for hundreds of frames; what
/// lies further out is the runtime's.
const STACK: usize = 64 * 1024;
/// A piece lies within one page, and the first one may be short.
const PIECE: usize = 4096;
const PIECES: usize = STACK / PIECE + 1;

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
    pub registers: Registers,
    /// How many bytes of the stack there are, from the stack pointer up.
    len: usize,
    /// Why there are none, as an errno; 0 if there are.
    error: c_int,
    task: u64,
    began: u64,
    has_poll: bool,
    pieces: [iovec; PIECES],
    bytes: [u8; STACK],
}

impl Mailbox {
    const fn new() -> Self {
        Mailbox {
            word: AtomicU64::new(FREE),
            thread: AtomicU32::new(0),
            slot: AtomicPtr::new(ptr::null_mut()),
            copied: UnsafeCell::new(Copied {
                // SAFETY: they are integers.
                registers: unsafe { zeroed() },
                len: 0,
                error: 0,
                task: 0,
                began: 0,
                has_poll: false,
                pieces: [const { iovec { iov_base: ptr::null_mut(), iov_len: 0 } }; PIECES],
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

    /// The word at `address` of the thread's stack, if it was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.registers.sp)?).ok()?;
        let bytes = self.bytes.get(..self.len)?.get(at..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    }

    /// The copy was cut off because it was full, not because the stack ended.
    pub(super) fn is_full(&self) -> bool {
        self.len >= STACK - PIECE
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
        Some(match copied.error {
            0 => Ok(copied),
            libc::EFAULT => Err("the thread's stack pointer leads nowhere"),
            libc::EPERM | libc::ENOSYS => Err("process_vm_readv is not allowed here"),
            _ => Err("the stack could not be copied"),
        })
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
        copy_stack(copied);
        let done = generation | DONE;
        if mailbox.word.compare_exchange(copying, done, Release, Relaxed).is_err() {
            mailbox.word.store(generation | FREE, Release);
        }
    }
}

/// Copies the stack from its pointer up. The kernel does it, because only it can stop
/// at the stack's end without a fault, wherever that is: the thread's own stack, that of
/// a coroutine, or one grown on the heap.
fn copy_stack(copied: &mut Copied) {
    let mut at = copied.registers.sp as usize;
    let end = at.wrapping_add(STACK);
    let mut pieces = 0;
    for piece in &mut copied.pieces {
        let len = (PIECE - at % PIECE).min(end.wrapping_sub(at));
        if len == 0 {
            break;
        }
        *piece = iovec { iov_base: at as *mut c_void, iov_len: len };
        at = at.wrapping_add(len);
        pieces += 1;
    }
    let into = iovec { iov_base: copied.bytes.as_mut_ptr().cast(), iov_len: STACK };
    // SAFETY: reads from wherever the pieces lead, up to the first that is not mapped,
    // into bytes that are ours alone.
    let len = unsafe {
        libc::process_vm_readv(
            libc::getpid(),
            &raw const into,
            1,
            copied.pieces.as_ptr(),
            pieces,
            0,
        )
    };
    copied.len = usize::try_from(len).unwrap_or(0);
    // SAFETY: errno's place is there as long as the thread is.
    copied.error = if len < 0 { unsafe { *libc::__errno_location() } } else { 0 };
}
