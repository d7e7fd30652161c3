//! Signals to the process: every thread blocks them, and one thread waits for them.
//!
//! The kernel may run a handler on any thread that does not block the signal, for example on a
//! worker, and on top of the handler with which the watchdog copies a stack. Signals that are
//! blocked before the first thread starts, and waited for instead of handled, disturb no thread. The
//! signal of the watchdog is sent to single threads and is not blocked.

use std::{
    ffi::c_int,
    io::{self, IsTerminal},
    os::fd::AsFd,
    sync::atomic::{AtomicI32, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, killpg, raise, sigaction},
    unistd::Pid,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Signals that request the end of the program. The second one ends it immediately.
const END: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT];
/// Signals that end a program by default and that the program does not handle otherwise: the
/// terminal is restored first.
const FATAL: [Signal; 6] = [
    Signal::SIGABRT,
    Signal::SIGALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGVTALRM,
    Signal::SIGXCPU,
];
/// Signals that do not end a program by default.
const NOT_FATAL: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGCONT, Signal::SIGWINCH];

/// A terminal that accepts no output for this long while the program ends is considered unread.
const UNREAD_TIMEOUT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The process group that is killed when a signal ends this program; 0 if there is none.
static COMMAND_GROUP: AtomicI32 = AtomicI32::new(0);

/// Kills a process group when a signal ends this program by its default action.
pub fn kill_with_this_program(group: u32) {
    COMMAND_GROUP.store(group.cast_signed(), Ordering::Relaxed);
}

/// The meaning of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// End (SIGTERM, SIGHUP, SIGINT, SIGQUIT).
    End,
    /// Stop until continued (SIGTSTP).
    Suspend,
    /// The program was continued (SIGCONT).
    Continued,
    /// The terminal has another size (SIGWINCH).
    Resized,
}

fn all() -> SigSet {
    END.into_iter().chain(FATAL).chain(NOT_FATAL).collect()
}

/// Blocks the signals in this thread and in the threads that it starts afterwards. Call it before
/// the first thread is started.
///
/// # Errors
/// If the system call fails.
pub fn block() -> io::Result<()> {
    Ok(all().thread_block()?)
}

/// Unblocks the signals, in case the parent of this process blocks them: a child inherits its
/// parent's signal mask.
///
/// # Errors
/// If the system call fails.
pub fn unblock() -> io::Result<()> {
    Ok(all().thread_unblock()?)
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`) return an error, which has a message,
/// instead of ending the program. Programs that this one starts are not affected: a handler, unlike an
/// ignored signal, is not inherited.
///
/// # Errors
/// If the system call fails.
#[allow(unsafe_code)]
pub fn report_file_size_limit() -> io::Result<()> {
    extern "C" fn do_nothing(_: c_int) {}
    let handler = SigHandler::Handler(do_nothing);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing, and there is no other one for this signal.
    unsafe { sigaction(Signal::SIGXFSZ, &action) }?;
    Ok(())
}

/// Starts the thread that waits for signals, which must be [blocked](block), and passes each to
/// `deliver`. If `deliver` returns `false`, the signal has its default action, preceded by
/// `restore` if it ends the program. Exception: SIGHUP is ignored if it is the first request to end.
///
/// # Errors
/// If the thread cannot be started.
pub fn wait_on_thread(
    mut deliver: impl FnMut(Notice) -> bool + Send + 'static,
    restore: fn(),
) -> io::Result<()> {
    thread::Builder::new().name("asynctop-signals".into()).spawn(move || {
        let signals = all();
        let mut ending = false;
        // Waiting fails only for an invalid set.
        while let Ok(signal) = signals.wait() {
            let delivered = match signal {
                Signal::SIGWINCH => deliver(Notice::Resized),
                Signal::SIGCONT => deliver(Notice::Continued),
                Signal::SIGTSTP => deliver(Notice::Suspend),
                _ if FATAL.contains(&signal) || ending => false,
                _ => {
                    ending = true;
                    let delivered = deliver(Notice::End);
                    if delivered {
                        end_if_unread(signal, restore);
                    }
                    // A terminal that disappears also ends the input, so the program may already be
                    // ending.
                    delivered || signal == Signal::SIGHUP
                }
            };
            if !delivered {
                act_by_default(signal, restore);
            }
        }
    })?;
    Ok(())
}

/// Performs the default action of the signal.
fn act_by_default(signal: Signal, restore: fn()) {
    if !NOT_FATAL.contains(&signal) {
        restore();
        let group = COMMAND_GROUP.load(Ordering::Relaxed);
        if group > 0 {
            // Its processes may have ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
    // The only handler, for SIGABRT, ends with the default action, too. It follows when the signal
    // is unblocked, before `raise` returns.
    let only = SigSet::from(signal);
    let acted =
        only.thread_unblock().and_then(|()| raise(signal)).and_then(|()| only.thread_block());
    debug_assert!(acted.is_ok(), "{acted:?}");
}

/// Ends the program with `signal` if it cannot end by itself because it is blocked in a write to
/// a terminal that nothing reads.
fn end_if_unread(signal: Signal, restore: fn()) {
    let waiting = thread::Builder::new().name("asynctop-end".into()).spawn(move || {
        while io::stdout().is_terminal() {
            if is_unread(&io::stdout()) {
                act_by_default(signal, restore);
            }
            thread::sleep(CHECK_INTERVAL);
        }
    });
    // If the thread cannot be started, a second signal ends the program.
    drop(waiting);
}

/// Whether a terminal accepts no output for [`UNREAD_TIMEOUT`].
fn is_unread(terminal: &impl AsFd) -> bool {
    poll(&mut [PollFd::new(terminal, PollFlags::OUT)], Some(&UNREAD_TIMEOUT)) == Ok(0)
}
