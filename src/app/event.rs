//! The events of the main loop. One channel carries all of them.

use std::sync::Arc;

use crossterm::event as terminal;

use crate::{model::Snapshot, signals::Notice};

/// An event of the main loop.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, a paste or a mouse event.
    Input(terminal::Event),
    /// The collector has assembled a snapshot.
    Snapshot(Arc<Snapshot>),
    /// A signal.
    Signal(Notice),
    /// The run time is over.
    End,
    /// The terminal is gone.
    Closed,
}
