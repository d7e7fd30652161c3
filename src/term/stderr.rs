//! Keeps what is written to stderr while the screen is shown, which would hide it, and writes it
//! when the terminal is restored. Rust reports an overflowed stack and a failed allocation there
//! before it aborts.

use std::{
    io::{self, IsTerminal, PipeReader},
    os::fd::{AsFd, OwnedFd},
    sync::{Mutex, TryLockError},
};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    io::{read, write},
    stdio::{dup2_stderr, stderr},
};

use crate::lock::lock;

/// A pipe in the place of stderr.
struct Redirected {
    stderr: OwnedFd,
    pipe: PipeReader,
}

static REDIRECTED: Mutex<Option<Redirected>> = Mutex::new(None);

/// Replaces stderr with a pipe, if it is a terminal. A full pipe refuses further output.
pub(super) fn redirect() -> io::Result<()> {
    let mut redirected = lock(&REDIRECTED);
    if redirected.is_some() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let (pipe, writer) = io::pipe()?;
    fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
    fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    *redirected = Some(Redirected { stderr: stderr().as_fd().try_clone_to_owned()?, pipe });
    Ok(dup2_stderr(&writer)?)
}

/// Restores the original stderr, and writes the output in the pipe to it.
pub(super) fn restore() {
    if let Some(redirected) = lock(&REDIRECTED).take() {
        redirected.restore();
    }
}

/// Same as [`restore`], in a signal handler: never waits for the lock, and frees no memory.
pub(super) fn restore_in_handler() {
    let redirected = match REDIRECTED.try_lock() {
        Ok(redirected) => redirected,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    if let Some(redirected) = &*redirected {
        redirected.restore();
    }
}

impl Redirected {
    /// Errors cannot be reported: there is no other stderr.
    fn restore(&self) {
        let _ = dup2_stderr(&self.stderr);
        let mut bytes = [0; 512];
        while let Ok(count @ 1..) = read(&self.pipe, &mut bytes) {
            let _ = write(&self.stderr, &bytes[..count]);
        }
    }
}
