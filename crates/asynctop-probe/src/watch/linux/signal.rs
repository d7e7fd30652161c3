//! The signal that makes a thread copy its registers and its stack, and its handler.
#![allow(unsafe_code)]

use std::{
    mem::zeroed,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::*},
    },
};

use asynctop_stack::Registers;
use libc::{c_int, c_void, siginfo_t};

use super::mailbox::{self, Ticket};
use crate::{accounting::ThreadSlot, lock::lock};

/// The result of requesting a copy.
pub(super) enum RequestOutcome {
    /// The signal was sent.
    Sent(Ticket),
    /// The thread has ended.
    NoThread,
    /// All mailboxes are in use, or the queue of signals is full.
    NoMailbox,
    /// Signals are not allowed, with the reason.
    Refused(&'static str),
}

/// Requests that a thread of this process copies its stack.
pub(super) fn request_copy(
    signal: c_int,
    thread: u32,
    slot: Option<&'static ThreadSlot>,
) -> RequestOutcome {
    let Some(ticket) = mailbox::claim(thread, slot) else { return RequestOutcome::NoMailbox };
    match send(signal, thread) {
        0 => RequestOutcome::Sent(ticket),
        libc::ESRCH => RequestOutcome::NoThread,
        libc::EAGAIN => RequestOutcome::NoMailbox,
        _ => RequestOutcome::Refused("the operating system does not allow signals to threads"),
    }
}

/// The layout of `siginfo_t` for a signal with a value.
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

/// Sends the signal to one thread; returns the errno, or 0.
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
        value: mailbox::signal_value(),
        rest: [0; 12],
    };
    let call = libc::SYS_rt_tgsigqueueinfo;
    // SAFETY: `queued` has the size and layout of the kernel's siginfo, which it copies.
    match unsafe { libc::syscall(call, process, thread, signal, &raw const queued) } {
        0 => 0,
        _ => std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL),
    }
}

/// The handlers that ours has replaced, by signal.
static PREVIOUS: [PreviousHandler; 65] = [const { PreviousHandler::new() }; 65];

struct PreviousHandler {
    handler: AtomicUsize,
    flags: AtomicI32,
    /// Whether ours has been installed.
    is_replaced: AtomicBool,
}

impl PreviousHandler {
    const fn new() -> Self {
        PreviousHandler {
            handler: AtomicUsize::new(libc::SIG_DFL),
            flags: AtomicI32::new(0),
            is_replaced: AtomicBool::new(false),
        }
    }
}

/// Locked while a handler is installed.
pub(super) static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs our handler, which calls the previous one. It is never removed: a handler that was
/// installed later may call it.
///
/// # Errors
/// If the operating system does not allow a handler for this signal.
pub(super) fn install(signal: c_int) -> Result<(), String> {
    let _installing = lock(&INSTALLING);
    let error =
        || Err(format!("stacks are unavailable: cannot install a handler for signal {signal}"));
    let Some(previous) = usize::try_from(signal).ok().and_then(|at| PREVIOUS.get(at)) else {
        return error();
    };
    // SAFETY: a sigaction of zeros is valid.
    let mut old: libc::sigaction = unsafe { zeroed() };
    // SAFETY: only reads; an invalid signal is an error.
    if unsafe { libc::sigaction(signal, ptr::null(), &raw mut old) } != 0 {
        return error();
    }
    if old.sa_sigaction == our_address() {
        return Ok(());
    }
    // A handler that was installed on top of ours probably calls it. On top of that one, each would call
    // the other without end.
    let is_handler = ![libc::SIG_DFL, libc::SIG_IGN].contains(&old.sa_sigaction);
    if previous.is_replaced.load(Relaxed) && is_handler && calls_ours(signal) {
        return Ok(());
    }
    previous.is_replaced.store(true, Relaxed);
    // Before ours is installed, because the first signal may arrive immediately.
    previous.flags.store(old.sa_flags, Relaxed);
    previous.handler.store(old.sa_sigaction, Release);
    let mut ours = old;
    ours.sa_sigaction = our_address();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    ours.sa_mask = all_but_faults();
    // SAFETY: the handler is async-signal-safe.
    if unsafe { libc::sigaction(signal, &raw const ours, ptr::null_mut()) } != 0 {
        return error();
    }
    Ok(())
}

/// Whether the installed handler calls ours.
fn calls_ours(signal: c_int) -> bool {
    unblock(signal);
    let request = super::first_request(signal, super::os::this_thread());
    // A signal to the calling thread is handled before the call returns.
    request.is_ok_and(|ticket| ticket.copied().is_some())
}

/// The signals that are blocked while our handler, and the previous handler that it calls, run: no
/// other handler interrupts them. Faults cannot be blocked.
fn all_but_faults() -> libc::sigset_t {
    const FAULTS: [c_int; 6] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];
    // SAFETY: the set is initialized before it is used.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigfillset(&raw mut set);
        for fault in FAULTS {
            libc::sigdelset(&raw mut set, fault);
        }
        set
    }
}

fn our_address() -> usize {
    on_signal as extern "C" fn(c_int, *mut siginfo_t, *mut c_void) as usize
}

/// Whether our handler is the installed one.
pub(super) fn is_ours(signal: c_int) -> bool {
    // SAFETY: a sigaction of zeros is valid.
    let mut installed: libc::sigaction = unsafe { zeroed() };
    // SAFETY: only reads.
    let is_read = unsafe { libc::sigaction(signal, ptr::null(), &raw mut installed) } == 0;
    is_read && installed.sa_sigaction == our_address()
}

/// Unblocks the signal for the calling thread.
pub(super) fn unblock(signal: c_int) {
    // SAFETY: the set is initialized before it is used; both calls only read it.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
    }
}

/// The handler. It may interrupt anything: an allocation, a lock, the dynamic loader, a thread that
/// is about to end. So it only makes system calls and accesses statics; it does not allocate, lock,
/// panic or use thread-locals other than errno, which it restores.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: errno is valid as long as the thread lives.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // Also for a signal from elsewhere: the kernel merges signals of one number.
    // SAFETY: no arguments, cannot fail; the kernel passes a valid context.
    let (thread, registers) = unsafe { (libc::gettid().cast_unsigned(), registers(context)) };
    mailbox::answer(thread, registers);
    // SAFETY: the kernel passes a valid info; `si_value` is readable for every signal.
    let ours = unsafe {
        (*info).si_code == libc::SI_QUEUE
            && (*info).si_value().sival_ptr.cast_const() == mailbox::signal_value()
    };
    if !ours {
        // SAFETY: the arguments are those of the kernel.
        unsafe { chain(signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Calls the previous handler, or performs the signal's default action.
///
/// # Safety
/// The arguments are those that the kernel passed to our handler.
unsafe fn chain(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(previous) = PREVIOUS.get(signal as usize) else { return };
    let handler = previous.handler.load(Acquire);
    match handler {
        libc::SIG_IGN => {}
        libc::SIG_DFL if is_ours(signal) => default_action(signal),
        // A handler that was installed later, and has called this one, replaces the default action.
        libc::SIG_DFL => {}
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

/// Performs the action of the signal without a handler.
fn default_action(signal: c_int) {
    if matches!(signal, libc::SIGURG | libc::SIGCHLD | libc::SIGCONT | libc::SIGWINCH) {
        return;
    }
    // SAFETY: all of these are async-signal-safe. The signal is blocked while the handler runs, so
    // its default action follows right after it.
    unsafe {
        let mut default: libc::sigaction = zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const default, ptr::null_mut());
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
    }
}

/// # Safety
/// `context` was passed by the kernel to a signal handler.
#[cfg(target_arch = "x86_64")]
unsafe fn registers(context: *mut c_void) -> Registers {
    // Indexes in the kernel's `sigcontext`. The C libraries agree on these, but not on their names.
    const RBP: usize = 10;
    const RAX: usize = 13;
    const RSP: usize = 15;
    const RIP: usize = 16;
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller guarantees a valid context; its registers are 23 words.
    let word = |at| unsafe { *(&raw const (*context).uc_mcontext).cast::<u64>().add(at) };
    Registers { ip: word(RIP), sp: word(RSP), fp: word(RBP), result: word(RAX) }
}

/// # Safety
/// `context` was passed by the kernel to a signal handler.
#[cfg(target_arch = "aarch64")]
unsafe fn registers(context: *mut c_void) -> Registers {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller guarantees a valid context.
    let machine = unsafe { &(*context).uc_mcontext };
    let [result, ..] = machine.regs;
    Registers { ip: machine.pc, sp: machine.sp, fp: machine.regs[29], lr: machine.regs[30], result }
}
