//! The terminal: setup, input, restoring, suspending, panics and aborts. It is restored however the
//! program ends, and not changed while the program is in the background.

mod abort;
mod backend;
mod foreground;
mod reader;
mod stderr;

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor::{Hide, Show},
    event::{DisableBracketedPaste, EnableBracketedPaste},
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
pub use foreground::run_in_foreground;
pub use reader::spawn_readers;

/// The terminal that frames are drawn to.
pub type Screen = Terminal<ScreenBackend>;

/// Whether the program may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes; the terminal still shows the last frame.
    Unchanged,
    /// Yes; the terminal was just set up and does not show the last frame.
    Changed,
    /// No: the program is in the background.
    None,
}

/// Whether the program has set up the terminal.
static IS_SET_UP: AtomicBool = AtomicBool::new(false);
/// The modes of the terminal may have changed since its setup: the next [`access`] sets them again.
/// [`IS_SET_UP`] stays set, so that a program that ends before that restores the terminal.
static IS_STALE: AtomicBool = AtomicBool::new(false);
/// Whether the terminal was restored for good, because a signal ends the program.
static ABANDONED: AtomicBool = AtomicBool::new(false);
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Buttons, the wheel, and motion while a button is pressed, with coordinates of any size. Other motion
/// would be up to 250 reports per second, without a use for them.
const ENABLE_MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const DISABLE_MOUSE: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l";
/// The query of the background color (OSC 11).
const QUERY_BACKGROUND: &[u8] = b"\x1b]11;?\x1b\\";

/// Restores the terminal when dropped.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Sets up the terminal: raw mode, the alternate screen, no cursor, bracketed paste, and the
    /// mouse if `mouse`. In the background it stops the program, as Ctrl-Z does, and the next
    /// [`access`] sets up the terminal.
    ///
    /// # Errors
    /// If the terminal cannot be set up. It is restored in that case.
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

/// Whether the program may draw. Sets up the terminal if the program is in the foreground and has
/// not done so yet.
///
/// # Errors
/// If the terminal cannot be set up.
pub fn access() -> io::Result<Access> {
    if ABANDONED.load(Ordering::SeqCst) {
        return Ok(Access::None);
    }
    if !is_in_foreground() {
        // The shell uses the terminal now, with its own modes.
        IS_SET_UP.store(false, Ordering::SeqCst);
        return Ok(Access::None);
    }
    let is_stale = IS_STALE.swap(false, Ordering::SeqCst);
    if IS_SET_UP.swap(true, Ordering::SeqCst) && !is_stale {
        return Ok(Access::Unchanged);
    }
    // A shell may have used the terminal since: then raw mode is off, and crossterm, which does not
    // know, would not set it again.
    disable_raw_mode()?;
    abort::save(restore_sequences())?;
    stderr::redirect()?;
    enable_raw_mode()?;
    let mut bytes = Vec::new();
    queue!(bytes, EnterAlternateScreen, Hide, EnableBracketedPaste)?;
    if MOUSE.load(Ordering::SeqCst) {
        bytes.extend(ENABLE_MOUSE);
    }
    write(&bytes)?;
    Ok(Access::Changed)
}

/// Asks the terminal for its background. The answer is input.
///
/// # Errors
/// If the terminal cannot be written to.
pub fn query_background() -> io::Result<()> {
    write(QUERY_BACKGROUND)
}

/// Makes the next frame a full redraw.
///
/// # Errors
/// If the size of the terminal cannot be read.
pub fn repaint<B: Backend>(screen: &mut Terminal<B>) -> Result<(), B::Error> {
    // `Terminal::clear` queries the position of the cursor and waits forever if the terminal does
    // not answer. `resize`, even to the same size, clears without a query.
    let area = Rect::from((Position::ORIGIN, screen.size()?));
    screen.resize(area)
}

/// Restores the terminal. Does nothing if it was not set up.
pub fn restore() {
    if IS_SET_UP.swap(false, Ordering::SeqCst) && is_in_foreground() {
        // If the terminal is gone, the error cannot be reported.
        let _ = write(&restore_sequences());
        discard_input();
        let _ = disable_raw_mode();
    }
    stderr::restore();
}

/// Restores the terminal for good, from any thread and within two seconds: another thread may be
/// blocked in a write to it.
fn abandon() {
    ABANDONED.store(true, Ordering::SeqCst);
    IS_SET_UP.store(false, Ordering::SeqCst);
    if is_raw_mode_enabled().unwrap_or(false) && is_in_foreground() {
        // An error means that the terminal is gone.
        let _ = write_while_blocked(&restore_sequences());
        let _ = disable_raw_mode();
    }
    stderr::restore();
}

/// Writes to the terminal after the pending output of another thread. If the terminal accepts no
/// output for a second, the pending output is discarded; if it still accepts none, nothing is
/// written.
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

/// Opens the terminal again, for non-blocking writes.
fn open_nonblocking() -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(ttyname(rustix::stdio::stdout(), Vec::new())?, flags, Mode::empty())
}

/// The escape sequences that undo those of [`access`].
fn restore_sequences() -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    if MOUSE.load(Ordering::SeqCst) {
        bytes.extend(DISABLE_MOUSE);
    }
    let _ = queue!(bytes, DisableBracketedPaste, LeaveAlternateScreen, Show);
    bytes
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Discards input that was in transit when the terminal was restored, such as mouse reports: the
/// shell would read it as a command.
fn discard_input() {
    const IN_TRANSIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    const ATTEMPTS: usize = 5;
    let stdout = rustix::stdio::stdout();
    for _ in 0..ATTEMPTS {
        let mut polled = [PollFd::new(&stdout, PollFlags::IN)];
        match poll(&mut polled, Some(&IN_TRANSIT)) {
            Ok(1..) if !polled[0].revents().contains(PollFlags::HUP) => {
                let _ = tcflush(stdout, QueueSelector::IFlush);
            }
            _ => return,
        }
    }
}

/// Whether the program may use its terminal: it is the foreground job, or there is no job control.
pub fn is_in_foreground() -> bool {
    tcgetpgrp(rustix::stdio::stdout()).map_or(true, |foreground| foreground == getpgrp())
}

/// Whether the terminal is gone.
pub fn is_gone() -> bool {
    let stdout = rustix::stdio::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec::default())).is_ok()
        && polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Puts a text into the clipboard of the terminal (OSC 52). Terminals do not report whether they
/// allow that.
///
/// # Errors
/// If the terminal is gone.
pub fn copy(text: &str) -> io::Result<()> {
    let mut bytes = Vec::new();
    queue!(bytes, CopyToClipboard::to_clipboard_from(text))?;
    write(&bytes)
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

/// Makes the next [`access`] set up the terminal again: after the program was stopped and
/// continued, or for a full redraw. In the background the program stops again.
pub fn resume() {
    IS_STALE.store(true, Ordering::SeqCst);
    if !is_in_foreground() {
        stop_in_background();
    }
}

/// Stops the job, as the kernel does when a background job uses its terminal: `fg` continues it. Has
/// no effect on an orphaned process group, which no shell could continue.
fn stop_in_background() {
    // Signaling the own process group cannot fail.
    let _ = kill_process_group(getpgrp(), Signal::TTOU);
}

/// Stops the leader of the job if that is another process, such as `cargo run` or a script that
/// waits for the program: it would keep the shell waiting. `fg` continues the whole job.
fn stop_job_leader() {
    let (leader, me) = (getpgrp(), getpid());
    let is_foreground = tcgetpgrp(rustix::stdio::stdout()).is_ok_and(|group| group == leader);
    if is_foreground && leader != me {
        // An error means that the leader has ended.
        let _ = kill_process(leader, Signal::STOP);
    }
}

/// Installs the panic hook. `is_watched` returns whether the current thread belongs to a runtime
/// under test: Tokio catches the panics of its tasks, the task is shown as panicked, and a message
/// would overwrite the screen. A panic on any other thread ends the program, after the terminal was
/// restored so that the message is readable.
pub fn hook_panics(is_watched: fn() -> bool) {
    let default = panic::take_hook();
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if is_watched() && IS_SET_UP.load(Ordering::SeqCst) {
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
