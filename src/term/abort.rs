//! Restores the terminal when the process aborts, for example after a stack overflow.
//!
//! `abort` unblocks SIGABRT on the calling thread and raises it there: the thread that waits for
//! signals never receives it, and the process ends when a handler returns. So the handler itself
//! restores the terminal, with async-signal-safe calls only. signal-hook has no safe interface for
//! that: its safe handlers set a flag or write to a pipe.
#![allow(unsafe_code)]

use std::{
    ffi::c_int,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, atomic::Ordering},
};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use rustix::{
    io::{Errno, write},
    stdio::{stderr, stdout},
    termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr},
};

use super::{IS_SET_UP, is_in_foreground, open_nonblocking};
use crate::lock::lock;

/// Follows the message of Rust, if there is one.
const MESSAGE: &[u8] = b"error: asynctop aborted\n";

/// The state of the terminal before the program set it up.
struct SavedTerminal {
    /// For non-blocking writes. `None` if the terminal has no name.
    terminal: Option<OwnedFd>,
    modes: Termios,
    /// The escape sequences that restore the terminal.
    sequences: Vec<u8>,
}

static SAVED: Mutex<Option<SavedTerminal>> = Mutex::new(None);

/// Saves the state of the terminal, which must not be in raw mode yet.
pub(super) fn save(sequences: Vec<u8>) -> io::Result<()> {
    let saved =
        SavedTerminal { terminal: open_nonblocking().ok(), modes: tcgetattr(stdout())?, sequences };
    *lock(&SAVED) = Some(saved);
    Ok(())
}

/// Installs the handler, for the rest of the process's life.
pub(super) fn install_handler() -> io::Result<()> {
    // On the alternate signal stack, because the abort may follow a stack overflow.
    let flags = SaFlags::SA_ONSTACK | SaFlags::SA_RESETHAND;
    let action = SigAction::new(SigHandler::Handler(on_abort), flags, SigSet::all());
    // SAFETY: the handler makes system calls, accesses atomics and takes a lock without waiting for
    // it, nothing else. It replaces no handler: only this function installs one for SIGABRT.
    unsafe { sigaction(Signal::SIGABRT, &action) }?;
    Ok(())
}

extern "C" fn on_abort(_: c_int) {
    if IS_SET_UP.swap(false, Ordering::SeqCst)
        && is_in_foreground()
        && let Ok(saved) = SAVED.try_lock()
        && let Some(saved) = &*saved
    {
        saved.restore();
    }
    // The action is the default again (SA_RESETHAND). It follows when this handler returns.
    let _ = raise(Signal::SIGABRT);
}

impl SavedTerminal {
    /// Errors cannot be reported: the process ends.
    fn restore(&self) {
        let terminal = match &self.terminal {
            Some(terminal) => terminal.as_fd(),
            None => stdout(),
        };
        if write(terminal, &self.sequences) == Err(Errno::AGAIN) {
            // The terminal is not read: output that it has not taken yet is discarded.
            let _ = tcflush(terminal, QueueSelector::OFlush);
            let _ = write(terminal, &self.sequences);
        }
        let _ = tcsetattr(terminal, OptionalActions::Now, &self.modes);
        super::stderr::restore_in_handler();
        let _ = write(stderr(), MESSAGE);
    }
}
