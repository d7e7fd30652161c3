//! Gives the terminal to another program until that ends.
//!
//! The program becomes the foreground job, as in a shell. Until it ends, this program is in the background:
//! it neither draws nor reads the terminal, and keeps sampling.

#![allow(unsafe_code)]

use std::{io, process::Command, thread};

use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::{
    process::{Pid, Signal, WaitOptions, WaitStatus, getpgrp, kill_process_group, waitpid},
    termios::tcsetpgrp,
};

use super::{restore, resume};
use crate::signals;

/// Starts a command with the terminal. When it has ended and the terminal is back, `ended` is called
/// on another thread.
///
/// # Errors
/// If the command cannot be started.
pub fn run_in_foreground(
    command: &mut Command,
    ended: impl FnOnce(io::Result<WaitStatus>) + Send + 'static,
) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    restore();
    // It inherits the signals that this program blocks, among them those of Ctrl-C and of a resize.
    // SAFETY: setting the signal mask is async-signal-safe.
    unsafe { command.pre_exec(signals::unblock) };
    let started = command.process_group(0).spawn().and_then(|child| {
        let pid = Pid::from_child(&child);
        tcsetpgrp(rustix::stdio::stdout(), pid)?;
        Ok(pid)
    });
    let pid = started.inspect_err(|_| resume())?;
    // The command was stopped if it used the terminal before it was in the foreground.
    kill_process_group(pid, Signal::CONT)?;
    thread::Builder::new().name("asynctop-wait".into()).spawn(move || {
        let status = wait(pid);
        // Taking the terminal from the background would stop this program.
        let mut blocked = SigSet::empty();
        blocked.add(Blocked::SIGTTOU);
        let taken = blocked.thread_block().map_err(io::Error::from);
        let taken = taken.and_then(|()| Ok(tcsetpgrp(rustix::stdio::stdout(), getpgrp())?));
        resume();
        ended(taken.and(status));
    })?;
    Ok(())
}

/// Waits for the end. A program that was stopped by Ctrl-Z goes on: there is no shell that could
/// continue it.
fn wait(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::UNTRACED)? {
            Some((_, status)) if status.stopped() => kill_process_group(pid, Signal::CONT)?,
            Some((_, status)) => return Ok(status),
            None => {}
        }
    }
}
