//! The events of the main loop. One channel carries all of them.

use crossterm::event as terminal;

use crate::{model::Refresh, signals::Notice};

/// An event of the main loop.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, a paste or a mouse event.
    Input(terminal::Event),
    /// The model has taken in the next snapshot.
    Refresh(Box<Refresh>),
    /// A signal.
    Signal(Notice),
    /// The run time is over.
    End,
    /// The terminal is gone.
    Closed,
}
