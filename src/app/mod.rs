//! The state of the dashboard: what is shown, what is selected, what a key does to it.
//!
//! Pure: no I/O, no clock (time is an argument), no drawing. Uses the model and the lab's
//! [`Command`](asynctop_lab::Command)s.

mod action;
mod board;
mod commands;
mod cursor;
mod event;
#[cfg(test)]
pub(crate) mod fixture;
pub mod keymap;
mod mouse;
mod movement;
mod opening;
mod screen;
mod state;
#[cfg(test)]
mod tests;
mod timeline;
mod update;

pub use action::Action;
pub use board::{Board, Wish};
pub use cursor::Cursor;
pub use event::Event;
pub use mouse::HitTarget;
pub use movement::Viewport;
pub use screen::{Overlay, Prompt, Screen};
pub use state::{App, Settings, Theme};
pub use timeline::TimelineView;
pub use update::Effect;
