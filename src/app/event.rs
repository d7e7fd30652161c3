//! The events of the event loop. One channel carries all of them.

use crossterm::event as terminal;

use super::{Background, SourceLine};
use crate::{model::Refresh, signals::Notice};

/// An event of the event loop.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, a paste or a mouse event.
    Input(terminal::Event),
    /// The background of the terminal.
    Background(Background),
    /// The model after the next snapshot.
    Refresh(Box<Refresh>),
    /// A signal.
    Signal(Notice),
    /// A sentence for the message line.
    Message(String),
    /// A source file is newer than the program.
    NewerSource(SourceLine),
    /// The run time is over.
    End,
    /// The terminal is gone.
    Closed,
}
