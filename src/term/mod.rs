//! The terminal: taking, reading and restoring it, suspending, panics, aborts. It is restored whatever ends
//! the program, and not touched while the program is in the background.

mod abort;
mod backend;
mod reader;

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crossterm::{
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture},
    queue,
    terminal::{
        EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
        is_raw_mode_enabled,
    },
};
use ratatui::{
    Terminal,
    backend::Backend,
    layout::{Position, Rect},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    io::Errno,
    process::{Signal, getpgrp, getpid, kill_process, kill_process_group},
    termios::{QueueSelector, tcflush, tcgetpgrp, ttyname},
};

pub use backend::ScreenBackend;
pub use reader::spawn_readers;

/// The terminal that frames are drawn to.
pub type Screen = Terminal<ScreenBackend>;

/// Whether the program may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes; the terminal still shows the last frame.
    Kept,
    /// Yes; the terminal was just taken and does not show the last frame.
    Taken,
    /// No: the program is in the background.
    None,
}

/// Whether this program has taken the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The modes of the terminal may have changed since: the next [`access`] sets them again. Until
/// then the terminal still counts as taken, so that a program that ends first restores it.
static IS_STALE: AtomicBool = AtomicBool::new(false);
/// Whether the terminal was restored for good, because a signal ends the program.
static ABANDONED: AtomicBool = AtomicBool::new(false);
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Restores the terminal when dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal: raw mode, the alternate screen, no cursor, bracketed paste, the mouse
    /// if `mouse`. In the background it stops the program, as Ctrl-Z does, and leaves the
    /// terminal to the next [`access`].
    ///
    /// # Errors
    /// If the terminal cannot be set up; it is restored then.
    pub fn enter(mouse: bool) -> io::Result<(Guard, Screen)> {
        MOUSE.store(mouse, Ordering::SeqCst);
        abort::install_handler()?;
        let guard = Guard(());
        if access()? == Access::None {
            stop_in_background();
        }
        Ok((guard, Terminal::new(ScreenBackend::stdout())?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Whether the program may draw. Takes the terminal if the program is in the foreground and has not
/// taken it yet.
///
/// # Errors
/// If the terminal cannot be set up.
pub fn access() -> io::Result<Access> {
    if ABANDONED.load(Ordering::SeqCst) {
        return Ok(Access::None);
    }
    if !is_in_foreground() {
        // The shell uses the terminal now, with its own modes.
        TAKEN.store(false, Ordering::SeqCst);
        return Ok(Access::None);
    }
    let is_stale = IS_STALE.swap(false, Ordering::SeqCst);
    if TAKEN.swap(true, Ordering::SeqCst) && !is_stale {
        return Ok(Access::Kept);
    }
    // A shell may have used the terminal since: then raw mode is off, and crossterm, which does not
    // know, would not set it again.
    disable_raw_mode()?;
    abort::save(restoring())?;
    enable_raw_mode()?;
    let mut bytes = Vec::new();
    queue!(bytes, EnterAlternateScreen, Hide, EnableBracketedPaste)?;
    if MOUSE.load(Ordering::SeqCst) {
        queue!(bytes, EnableMouseCapture)?;
    }
    write(&bytes)?;
    Ok(Access::Taken)
}

/// Makes the next frame a full redraw.
///
/// # Errors
/// If the size of the terminal cannot be read.
pub fn repaint<B: Backend>(screen: &mut Terminal<B>) -> Result<(), B::Error> {
    // `Terminal::clear` would ask the terminal where its cursor is, and wait for ever for
    // one that does not answer; a new size, even the same, clears without asking.
    let area = Rect::from((Position::ORIGIN, screen.size()?));
    screen.resize(area)
}

/// Restores the terminal. Does nothing if it was not taken.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) || !is_in_foreground() {
        return;
    }
    // A terminal that is gone cannot be restored, and the error has no reader.
    let _ = write(&restoring());
    discard_input();
    let _ = disable_raw_mode();
}

/// Restores the terminal for good, from any thread and within two seconds: another thread may be
/// blocked in a write to it.
fn abandon() {
    ABANDONED.store(true, Ordering::SeqCst);
    TAKEN.store(false, Ordering::SeqCst);
    if !is_raw_mode_enabled().unwrap_or(false) || !is_in_foreground() {
        return;
    }
    // An error means that the terminal is gone.
    let _ = write_while_blocked(&restoring());
    let _ = disable_raw_mode();
}

/// Writes to the terminal after what another thread is writing. If the terminal takes none of
/// that for a second, it is discarded, and if even that does not help, nothing is written.
fn write_while_blocked(bytes: &[u8]) -> rustix::io::Result<()> {
    const ATTEMPTS_BEFORE_DISCARDING: usize = 100;
    const ATTEMPTS: usize = 150;
    const BETWEEN: Duration = Duration::from_millis(10);
    let stdout = rustix::stdio::stdout();
    let terminal = open_nonblocking()?;
    for attempt in 0..ATTEMPTS {
        match rustix::io::write(&terminal, bytes) {
            Err(Errno::AGAIN) if attempt < ATTEMPTS_BEFORE_DISCARDING => {}
            Err(Errno::AGAIN) => tcflush(stdout, QueueSelector::OFlush)?,
            written => return written.map(drop),
        }
        thread::sleep(BETWEEN);
    }
    Ok(())
}

/// Opens the terminal once more, for writes that do not block.
fn open_nonblocking() -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(ttyname(rustix::stdio::stdout(), Vec::new())?, flags, Mode::empty())
}

/// The escape sequences that undo those of [`access`].
fn restoring() -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    if MOUSE.load(Ordering::SeqCst) {
        let _ = queue!(bytes, DisableMouseCapture);
    }
    let _ = queue!(bytes, DisableBracketedPaste, LeaveAlternateScreen, Show);
    bytes
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Discards input that was on its way when the terminal was restored, such as reports of the
/// mouse: the shell would read it as a command.
fn discard_input() {
    const IN_TRANSIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    const AT_MOST: usize = 5;
    let stdout = rustix::stdio::stdout();
    for _ in 0..AT_MOST {
        let mut polled = [PollFd::new(&stdout, PollFlags::IN)];
        match poll(&mut polled, Some(&IN_TRANSIT)) {
            Ok(1..) if !polled[0].revents().contains(PollFlags::HUP) => {
                let _ = tcflush(stdout, QueueSelector::IFlush);
            }
            _ => return,
        }
    }
}

/// Whether the program may use its terminal: it belongs to the foreground job, or there is no
/// job control.
pub fn is_in_foreground() -> bool {
    tcgetpgrp(rustix::stdio::stdout()).map_or(true, |front| front == getpgrp())
}

/// Whether the terminal is gone.
pub fn is_gone() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Restores the terminal and stops the program as Ctrl-Z would, until it is continued.
///
/// # Errors
/// If a system call fails.
pub fn suspend() -> io::Result<()> {
    restore();
    stop_job_leader();
    Ok(kill_process(getpid(), Signal::STOP)?)
}

/// Lets the next [`access`] take the terminal again: after the program was stopped and continued,
/// or for a full redraw. In the background it stops again.
pub fn resume() {
    IS_STALE.store(true, Ordering::SeqCst);
    if !is_in_foreground() {
        stop_in_background();
    }
}

/// Stops the job, as the kernel stops one that uses its terminal from the background: `fg`
/// continues it. Has no effect on a job that no shell could continue.
fn stop_in_background() {
    // Signaling the own process group cannot fail.
    let _ = kill_process_group(getpgrp(), Signal::TTOU);
}

/// Stops the job as a whole, as Ctrl-Z does: a process that started the program and waits for it,
/// such as `cargo run` or a script, would keep the shell waiting. `fg` continues all of the job.
fn stop_job_leader() {
    let (leader, me) = (getpgrp(), getpid());
    let in_front = tcgetpgrp(rustix::stdio::stdout()).is_ok_and(|front| front == leader);
    if in_front && leader != me {
        // An error means that the leader has ended.
        let _ = kill_process(leader, Signal::STOP);
    }
}

/// Installs the panic hook. `is_watched` returns whether the current thread belongs to a runtime
/// under test: Tokio catches panics of its tasks, the task is shown as panicked, and nothing may be
/// written over the screen. A panic anywhere else ends the program, with the terminal restored
/// first, so that the message can be read.
pub fn hook_panics(is_watched: fn() -> bool) {
    let default = panic::take_hook();
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if is_watched() && TAKEN.load(Ordering::SeqCst) {
            return;
        }
        restore();
        default(info);
        if !is_watched() && thread::current().id() != main {
            // Without this, the dashboard would continue without one of its threads and report
            // nothing.
            std::process::exit(101);
        }
    }));
}
