//! The threads that turn input and signals into events.

use std::{
    io::{self, IsTerminal},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::mpsc::Sender,
    thread,
    time::Duration,
};

use nix::sys::signal::{SigSet, Signal};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read},
};

use super::{abandon, is_in_foreground};
use crate::{
    app::{Background, Event},
    input::Parser,
    signals,
};

/// Passes input and signals on until the receiver is gone.
///
/// # Errors
/// If the threads cannot be started or the terminal cannot be opened.
pub fn spawn_readers(events: &Sender<Event>) -> io::Result<()> {
    let terminal = Input::open()?;
    let input = events.clone();
    thread::Builder::new().name("asynctop-input".into()).spawn(move || {
        // A read in the background fails instead of stopping the program.
        let _ = SigSet::from(Signal::SIGTTIN).thread_block();
        // The program cannot be used without input, so the reason of the end does not matter.
        let _ = terminal.read(&input);
        let _ = input.send(Event::Closed);
    })?;
    let events = events.clone();
    signals::wait_on_thread(move |notice| events.send(Event::Signal(notice)).is_ok(), abandon)
}

/// The terminal that input is read from.
enum Input {
    Stdin(io::Stdin),
    Terminal(OwnedFd),
}

/// The result of a wait for input.
enum Waited {
    Readable,
    TimedOut,
    Gone,
}

impl Input {
    /// This many consecutive reads without input mean that the terminal is gone.
    const EMPTY_READS: u32 = 200;
    /// Time between two checks whether the program is in the foreground again.
    const FOREGROUND_CHECK_INTERVAL: Duration = Duration::from_millis(50);

    fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Ok(Input::Stdin(stdin));
        }
        Ok(Input::Terminal(std::fs::File::open("/dev/tty")?.into()))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Input::Stdin(stdin) => stdin.as_fd(),
            Input::Terminal(fd) => fd.as_fd(),
        }
    }

    /// Reads until the terminal or the receiver is gone.
    fn read(&self, events: &Sender<Event>) -> io::Result<()> {
        let (mut parser, mut parsed) = (Parser::default(), Vec::new());
        let mut buffer = [0; 4096];
        let mut empty_reads = 0;
        while empty_reads < Self::EMPTY_READS {
            match self.wait(parser.wait())? {
                Waited::Gone => return Ok(()),
                Waited::TimedOut => parser.give_up(&mut parsed),
                // The input is for the shell, and a read would stop the program.
                Waited::Readable if !is_in_foreground() => {
                    thread::sleep(Self::FOREGROUND_CHECK_INTERVAL)
                }
                Waited::Readable => match read(self.fd(), &mut buffer) {
                    Ok(0) => empty_reads += 1,
                    Ok(length) => {
                        empty_reads = 0;
                        parser.feed(&buffer[..length], &mut parsed);
                    }
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    // The program went to the background after the check.
                    Err(Errno::IO) if !is_in_foreground() => {}
                    Err(error) => return Err(error.into()),
                },
            }
            let background = parser.take_background().map(Background::of).map(Event::Background);
            for event in parsed.drain(..).map(Event::Input).chain(background) {
                if events.send(event).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for input. Returns [`Waited::Gone`] instead of spinning on a terminal that is gone.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<Waited> {
        let fd = self.fd();
        let mut polled = [PollFd::new(&fd, PollFlags::IN)];
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        loop {
            match poll(&mut polled, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(0) => return Ok(Waited::TimedOut),
                Ok(_) => {}
            }
            let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
            let is_gone = polled[0].revents().intersects(gone);
            return Ok(if is_gone { Waited::Gone } else { Waited::Readable });
        }
    }
}
