//! The signal that makes a thread copy its registers and its stack, and its handler.
#![allow(unsafe_code)]

use std::{
    mem::zeroed,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicI32, AtomicUsize, Ordering::*},
    },
};

use asynctop_stack::Registers;
use libc::{c_int, c_void, siginfo_t};

use super::mailbox::{self, Ticket};
use crate::{accounting::ThreadSlot, lock::lock};

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
    let Some(ticket) = mailbox::claim(thread, slot) else { return Asked::NoRoom };
    match send(signal, thread) {
        0 => Asked::Sent(ticket),
        libc::ESRCH => Asked::NoThread,
        libc::EAGAIN => Asked::NoRoom,
        _ => Asked::Refused("the operating system does not allow signals to threads"),
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
        value: mailbox::mark(),
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

/// Handlers are put in place one after the other.
pub(super) static TURN: Mutex<()> = Mutex::new(());

/// Puts our handler before the one that is there. It stays for good: to take it away
/// would cut off whoever came after and chains to it.
///
/// # Errors
/// If the operating system does not allow a handler for this signal.
pub(super) fn install(signal: c_int) -> Result<(), String> {
    let _turn = lock(&TURN);
    let no = || {
        Err(format!(
            "stacks are unavailable: no handler can be installed for signal \
                             {signal}"
        ))
    };
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
    let mut ours = old;
    ours.sa_sigaction = our_address();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    ours.sa_mask = all_but_faults();
    // SAFETY: the handler does only what a handler may do.
    if unsafe { libc::sigaction(signal, &raw const ours, ptr::null_mut()) } != 0 {
        return no();
    }
    Ok(())
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
    // SAFETY: no arguments, cannot fail; the kernel hands its handlers a valid context.
    let (thread, registers) = unsafe { (libc::gettid().cast_unsigned(), registers(context)) };
    mailbox::answer(thread, registers);
    // SAFETY: the kernel hands its handlers valid infos; `si_value` is there, whatever
    // the signal carries.
    let ours = unsafe {
        (*info).si_code == libc::SI_QUEUE
            && (*info).si_value().sival_ptr.cast_const() == mailbox::mark()
    };
    if !ours {
        // SAFETY: the arguments are those of the kernel.
        unsafe { chain(signal, info, context) };
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
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
        // Otherwise a handler that was installed later has called this one. Without this one, it
        // would have replaced the default action.
        libc::SIG_DFL if is_ours(signal) => by_default(signal),
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
    const RAX: usize = 13;
    const RSP: usize = 15;
    const RIP: usize = 16;
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller vouches for the context, and its registers are 23 words.
    let word = |at| unsafe { *(&raw const (*context).uc_mcontext).cast::<u64>().add(at) };
    Registers { ip: word(RIP), sp: word(RSP), fp: word(RBP), result: word(RAX) }
}

/// # Safety
/// `context` is what the kernel gave to a signal handler.
#[cfg(target_arch = "aarch64")]
unsafe fn registers(context: *mut c_void) -> Registers {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the caller vouches for the context.
    let machine = unsafe { &(*context).uc_mcontext };
    let [result, ..] = machine.regs;
    Registers { ip: machine.pc, sp: machine.sp, fp: machine.regs[29], lr: machine.regs[30], result }
}
