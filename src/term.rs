//! The terminal: enter, leave, suspend, panic. Whatever ends the program, the terminal is
//! as it was.

use std::{
    io::{self, BufWriter, Stdout, Write},
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crossterm::{
    cursor::{Hide, Show},
    event::{DisableMouseCapture, EnableMouseCapture},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::{
    process::{Signal, getpgrp, getpid, kill_process},
    termios::tcgetpgrp,
};

/// What is drawn to. Buffered: a frame is written at once.
pub type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Whether the terminal is ours at the moment.
static ENTERED: AtomicBool = AtomicBool::new(false);
static MOUSE: AtomicBool = AtomicBool::new(false);

/// Takes the terminal while it lives.
#[derive(Debug)]
pub struct Guard(());

impl Guard {
    /// Takes the terminal: raw mode, the alternate screen, no cursor, the mouse if wanted.
    ///
    /// # Errors
    /// If it refuses one of them; then it is as it was.
    pub fn enter(mouse: bool) -> io::Result<(Guard, Screen)> {
        MOUSE.store(mouse, Ordering::SeqCst);
        let guard = Guard(());
        take()?;
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        Ok((guard, Terminal::new(CrosstermBackend::new(out))?))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Takes the terminal, again if it must be.
///
/// # Errors
/// If it refuses.
pub fn take() -> io::Result<()> {
    ENTERED.store(true, Ordering::SeqCst);
    // A shell may have had the terminal since, if the program was stopped from outside: then
    // raw mode is off, and crossterm, which does not know, would not set it again.
    disable_raw_mode()?;
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)?;
    if MOUSE.load(Ordering::SeqCst) {
        execute!(io::stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Makes the terminal what it was. Does nothing if it is not ours.
pub fn give_back() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that has vanished cannot be restored, and nobody is there to be told.
    if MOUSE.load(Ordering::SeqCst) {
        let _ = execute!(io::stdout(), DisableMouseCapture);
    }
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// Gives the terminal back, stops the program as Ctrl-Z would, and takes the terminal again
/// when the program is continued.
///
/// # Errors
/// If the terminal refuses to be taken again.
pub fn suspend() -> io::Result<()> {
    give_back();
    stop_job_leader();
    signal_hook::low_level::raise(signal_hook::consts::SIGSTOP)?;
    take()
}

/// Whoever started the program and waits for it, such as `cargo run` or a script, would keep
/// the shell waiting too: Ctrl-Z stops the job as a whole. `fg` continues all of it.
fn stop_job_leader() {
    let (leader, me) = (getpgrp(), getpid());
    let in_front = tcgetpgrp(rustix::stdio::stdin()).is_ok_and(|front| front == leader);
    if in_front && leader != me {
        // A leader that has ended already waits for nobody.
        let _ = kill_process(leader, Signal::STOP);
    }
}

/// Decides what a panic does to the screen. `is_watched` says whether the current thread
/// belongs to a runtime under test: Tokio catches what its tasks throw, the task shows as
/// panicked, and nothing may be written over the screen. A panic anywhere else ends the
/// program, with the terminal restored first, so that the message can be read.
pub fn hook_panics(is_watched: fn() -> bool) {
    let default = panic::take_hook();
    let main = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        if is_watched() && ENTERED.load(Ordering::SeqCst) {
            return;
        }
        give_back();
        default(info);
        if !is_watched() && thread::current().id() != main {
            // The dashboard would go on without a part of itself, and say nothing.
            std::process::exit(101);
        }
    }));
}
