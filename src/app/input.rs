//! The threads that turn keys and signals into events. One channel carries everything to
//! the loop, which then has one thing to wait for.

use std::{
    io::{self, IsTerminal},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, mpsc::Sender},
    thread,
    time::Duration,
};

use crossterm::event as terminal;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::{consts::signal, iterator::Signals, low_level::emulate_default_handler};

use crate::model::Snapshot;

/// Something that the loop has to see to.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, or what the mouse did.
    Input(terminal::Event),
    /// The source has looked again.
    Snapshot(Arc<Snapshot>),
    /// The terminal has another size.
    Resized,
    /// Somebody asks the program to stop and wait for `fg`.
    Suspend,
    /// The program goes on after it was stopped.
    Continued,
    /// Somebody asks the program to end.
    End,
    /// There is no terminal any more.
    Closed,
}

/// Reads keys and signals until the receiver is gone.
///
/// # Errors
/// If the system refuses the threads, the signals or the terminal.
pub fn spawn_readers(events: &Sender<Event>) -> io::Result<()> {
    let terminal = Input::open()?;
    let keys = events.clone();
    thread::Builder::new().name("asynctop-input".into()).spawn(move || {
        // Whatever the reason is, without input there is nobody to serve.
        let _ = terminal.read(&keys);
        let _ = keys.send(Event::Closed);
    })?;
    let mut signals = Signals::new([
        signal::SIGTERM,
        signal::SIGHUP,
        signal::SIGINT,
        signal::SIGQUIT,
        signal::SIGTSTP,
        signal::SIGCONT,
        signal::SIGWINCH,
    ])?;
    let events = events.clone();
    thread::Builder::new().name("asynctop-signals".into()).spawn(move || {
        let mut asked_to_end = false;
        for signal in signals.forever() {
            let event = match signal {
                signal::SIGWINCH => Event::Resized,
                signal::SIGTSTP => Event::Suspend,
                signal::SIGCONT => Event::Continued,
                // The loop should have ended long ago: it waits for a terminal that takes
                // nothing any more.
                other if asked_to_end => {
                    let _ = emulate_default_handler(other);
                    continue;
                }
                _ => {
                    asked_to_end = true;
                    Event::End
                }
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// The terminal that keys come from: the one that crossterm reads.
enum Input {
    Stdin(io::Stdin),
    Terminal(OwnedFd),
}

impl Input {
    /// As many looks in vain mean that the terminal is gone: a closed one is always
    /// "readable", and has nothing to read.
    const IN_VAIN: u32 = 200;
    /// With no time at all crossterm does not even look.
    const A_MOMENT: Duration = Duration::from_millis(1);

    fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Ok(Input::Stdin(stdin));
        }
        Ok(Input::Terminal(std::fs::File::open("/dev/tty")?.into()))
    }

    /// Waits for input without spinning, also on a terminal that has vanished.
    fn read(&self, events: &Sender<Event>) -> io::Result<()> {
        let mut in_vain = 0;
        while in_vain < Self::IN_VAIN {
            let fd = match self {
                Input::Stdin(stdin) => stdin.as_fd(),
                Input::Terminal(fd) => fd.as_fd(),
            };
            let mut polled = [PollFd::new(&fd, PollFlags::IN)];
            match poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let seen = polled[0].revents();
            if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                return Ok(());
            }
            in_vain += 1;
            while terminal::poll(Self::A_MOMENT)? {
                in_vain = 0;
                if events.send(Event::Input(terminal::read()?)).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
