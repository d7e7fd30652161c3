//! What the loop waits for. One channel carries everything.

use std::sync::Arc;

use crossterm::event as terminal;

use crate::{model::Snapshot, signals::Notice};

/// Something that the loop has to see to.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key, a paste, or what the mouse did.
    Input(terminal::Event),
    /// The source has taken a snapshot.
    Snapshot(Arc<Snapshot>),
    /// A signal.
    Signal(Notice),
    /// The run time is over.
    End,
    /// There is no terminal any more.
    Closed,
}
