//! The state of the dashboard: what is shown, what is selected, what a key does to it.
//!
//! Pure but for [`run`], the loop: no I/O, no clock (time is an argument), no drawing. This
//! room knows the model and the lab's [`Command`](crate::lab::Command)s.

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
mod run;
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
pub(crate) use run::repaint;
pub use run::{Access, Control, run};
pub use screen::{Overlay, Prompt, Screen};
pub use state::{App, Settings, Theme};
pub use timeline::TimelineView;
pub use update::Effect;
