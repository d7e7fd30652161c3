//! The signal that makes a thread copy its registers and its stack.
//!
//! Watchdog and handler share a few mailboxes. The watchdog claims one, writes down which
//! thread it wants and sends the signal to that thread; the handler finds the mailbox,
//! copies and says so. A mailbox's state is one word with a generation, so a signal that
//! arrives late (the thread blocked it, or sat in the kernel) finds either the request it
//! was sent for, or a later one of the same thread, or none.
#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    mem::zeroed,
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*},
    },
};

use libc::{c_int, c_void, iovec, siginfo_t};

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

/// The registers that unwinding begins with.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    pub ip: u64,
    pub sp: u64,
    pub fp: u64,
    /// The link register.
    #[cfg(target_arch = "aarch64")]
    pub lr: u64,
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

/// What came of sending a request.
pub(super) enum Asked {
    /// It is on its way.
    Sent(Ticket),
    /// There is no such thread any more.
    NoThread,
    /// All mailboxes wait for answers.
    NoRoom,
    /// The operating system does not let us.
    Refused(&'static str),
}

/// Asks a thread of this process to copy its stack.
pub(super) fn ask(signal: c_int, thread: u32, slot: Option<&'static ThreadSlot>) -> Asked {
    let claimed = MAILBOXES_OF_ALL.iter().find_map(|mailbox| {
        let free = mailbox.word.load(Relaxed);
        let claimed = (free & !STATE).wrapping_add(GENERATION) | CLAIMED;
        let is_free = free & STATE == FREE;
        let won = is_free && mailbox.word.compare_exchange(free, claimed, Acquire, Relaxed).is_ok();
        won.then_some((mailbox, claimed & !STATE | ASKED))
    });
    let Some((mailbox, asked)) = claimed else { return Asked::NoRoom };
    mailbox.thread.store(thread, Relaxed);
    let slot = slot.map_or(ptr::null_mut(), |slot| ptr::from_ref(slot).cast_mut());
    mailbox.slot.store(slot, Relaxed);
    mailbox.word.store(asked, Release);
    let ticket = Ticket { mailbox, asked };
    match send(signal, thread) {
        0 => Asked::Sent(ticket),
        libc::ESRCH => Asked::NoThread,
        libc::EAGAIN => Asked::NoRoom,
        _ => Asked::Refused("the operating system refuses signals to threads"),
    }
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

/// A `siginfo_t` as `rt_tgsigqueueinfo` wants it, for a signal with a value.
#[repr(C)]
struct Queued {
    signal: c_int,
    error: c_int,
    code: c_int,
    padding: c_int,
    process: c_int,
    user: u32,
    value: *const c_void,
    rest: [u64; 12],
}

const _: () = assert!(size_of::<Queued>() == size_of::<siginfo_t>());

/// What our signals carry, so that the handler knows them from everybody else's.
fn mark() -> *const c_void {
    (&raw const MAILBOXES_OF_ALL).cast()
}

/// Sends the signal to one thread; the errno, 0 if it went.
fn send(signal: c_int, thread: u32) -> c_int {
    // SAFETY: no arguments, cannot fail.
    let (process, user) = unsafe { (libc::getpid(), libc::getuid()) };
    let queued = Queued {
        signal,
        error: 0,
        code: libc::SI_QUEUE,
        padding: 0,
        process,
        user,
        value: mark(),
        rest: [0; 12],
    };
    let call = libc::SYS_rt_tgsigqueueinfo;
    // SAFETY: `queued` has the size and layout of the kernel's siginfo, which it copies.
    match unsafe { libc::syscall(call, process, thread, signal, &raw const queued) } {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
    }
}

/// The handlers that were there before ours, by signal.
static PREVIOUS: [Previous; 65] = [const { Previous::new() }; 65];

struct Previous {
    handler: AtomicUsize,
    flags: AtomicI32,
}

impl Previous {
    const fn new() -> Self {
        Previous { handler: AtomicUsize::new(libc::SIG_DFL), flags: AtomicI32::new(0) }
    }
}

/// Puts our handler before the one that is there. It stays for good: to take it away
/// would cut off whoever came after and chains to it.
///
/// # Errors
/// If the operating system does not allow a handler for this signal.
pub(super) fn install(signal: c_int) -> Result<(), String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let no = || Err(format!("stacks are unavailable: signal {signal} takes no handler"));
    let Some(previous) = usize::try_from(signal).ok().and_then(|at| PREVIOUS.get(at)) else {
        return no();
    };
    // SAFETY: a sigaction of zeros is a valid place for the answer.
    let mut old: libc::sigaction = unsafe { zeroed() };
    // SAFETY: asks only; an invalid signal is an error.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut old) } != 0 {
        return no();
    }
    if old.sa_sigaction == our_address() {
        return Ok(());
    }
    // Before ours is in place, because the first signal may come at once.
    previous.flags.store(old.sa_flags, Relaxed);
    previous.handler.store(old.sa_sigaction, Release);
    // The mask of the one before holds for it still; ours needs none.
    let mut ours = old;
    ours.sa_sigaction = our_address();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler does only what a handler may do.
    if unsafe { libc::sigaction(signal, &raw const ours, ptr::null_mut()) } != 0 {
        return no();
    }
    Ok(())
}

fn our_address() -> usize {
    on_signal as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize
}

/// Whether our handler is the one that the signal calls first.
pub(super) fn is_ours(signal: c_int) -> bool {
    // SAFETY: a sigaction of zeros is a valid place for the answer.
    let mut now: libc::sigaction = unsafe { zeroed() };
    // SAFETY: asks only.
    let known = unsafe { libc::sigaction(signal, ptr::null(), &raw mut now) } == 0;
    known && now.sa_sigaction == our_address()
}

/// Lets the signal through to the calling thread.
pub(super) fn unblock(signal: c_int) {
    // SAFETY: the set is initialised before it is used; both calls only read it.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// The handler. It may interrupt anything: an allocation, a lock, the dynamic loader, a
/// thread that is about to end. So it makes system calls and touches our statics; it does
/// not allocate, lock, panic or use thread-locals other than errno, which it puts back.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: errno's place is there as long as the thread is.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // Also for a signal of somebody else's: the kernel merges signals of one number.
    // SAFETY: the kernel hands its handlers a valid context.
    unsafe { answer(context) };
    // SAFETY: the kernel hands its handlers valid infos; `si_value` is there, whatever
    // the signal carries.
    let ours = unsafe {
        (*info).si_code == libc::SI_QUEUE && (*info).si_value().sival_ptr.cast_const() == mark()
    };
    if !ours {
        // SAFETY: the arguments are those of the kernel.
        unsafe { chain(signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Answers a request to this thread, if there is one.
///
/// # Safety
/// `context` is what the kernel gave to a signal handler that is running.
unsafe fn answer(context: *mut c_void) {
    // SAFETY: no arguments, cannot fail.
    let thread = unsafe { libc::gettid() }.cast_unsigned();
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
        // SAFETY: the caller vouches for the context.
        copied.registers = unsafe { registers(context) };
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

/// Does with a signal what would be done without us.
///
/// # Safety
/// The arguments are those that the kernel gave to our handler.
unsafe fn chain(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(previous) = PREVIOUS.get(signal as usize) else { return };
    let handler = previous.handler.load(Acquire);
    match handler {
        libc::SIG_IGN => {}
        libc::SIG_DFL => by_default(signal),
        _ if previous.flags.load(Relaxed) & libc::SA_SIGINFO != 0 => {
            type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
            // SAFETY: a handler that was installed with SA_SIGINFO has this type.
            let handler = unsafe { std::mem::transmute::<usize, Handler>(handler) };
            handler(signal, info, context);
        }
        _ => {
            // SAFETY: a handler that was installed without SA_SIGINFO has this type.
            let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
            handler(signal);
        }
    }
}

/// Lets the signal do what it does without any handler.
fn by_default(signal: c_int) {
    if matches!(signal, libc::SIGURG | libc::SIGCHLD | libc::SIGCONT | libc::SIGWINCH) {
        return;
    }
    // SAFETY: all of these may be called in a handler. The signal is blocked while the
    // handler runs, so its default action comes right after it.
    unsafe {
        let mut default: libc::sigaction = zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, ptr::null_mut());
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
    }
}

/// # Safety
/// `context` is what the kernel gave to a signal handler.
#[cfg(target_arch = "x86_64")]
unsafe fn registers(context: *mut c_void) -> Registers {
    // Places in the kernel's `sigcontext`; the C libraries' headers agree on them, but
    // not on names for them.
    const RBP: usize = 10;
    const RSP: usize = 15;
    const RIP: usize = 16;
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller vouches for the context, and its registers are 23 words.
    let word = |at| unsafe { *(&raw const (*context).uc_mcontext).cast::<u64>().add(at) };
    Registers { ip: word(RIP), sp: word(RSP), fp: word(RBP) }
}

/// # Safety
/// `context` is what the kernel gave to a signal handler.
#[cfg(target_arch = "aarch64")]
unsafe fn registers(context: *mut c_void) -> Registers {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller vouches for the context.
    let machine = unsafe { &(*context).uc_mcontext };
    Registers { ip: machine.pc, sp: machine.sp, fp: machine.regs[29], lr: machine.regs[30] }
}
