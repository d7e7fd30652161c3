//! The state of the dashboard: the screen, the selection and the effect of each key.
//!
//! A pure function of snapshots, keys and time (an argument), without I/O and drawing. It depends on
//! the model and, for the state of the comparison, on the lab.

mod action;
mod board;
mod commands;
mod cursor;
mod event;
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
