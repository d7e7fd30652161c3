//! Writes what the model knows: for people, for programs, for spreadsheets.
//!
//! One short file for each format, all of the same two things: the [`Model`] at the end,
//! and a [`Summary`] of what went before. This room knows no clock and no terminal.

mod blame;
pub mod csv;
mod figures;
mod format;
pub mod json;
mod summary;
mod table;
pub mod text;

pub use summary::{Phase, Summary, Work};

#[cfg(doc)]
use crate::model::Model;

#[cfg(test)]
mod testing;
