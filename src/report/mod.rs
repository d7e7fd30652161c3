//! Writes what the model knows: for people, for programs, for spreadsheets.
//!
//! One short file for each format, all of the same two things: the [`Model`] at the end,
//! and a [`Summary`] of what went before. This room knows no clock and no terminal.

mod blame;
pub mod csv;
mod figures;
pub mod json;
mod summary;
mod table;
pub mod text;

use clap::ValueEnum;

pub use summary::{Phase, Summary, Work};

#[cfg(doc)]
use crate::model::Model;

#[cfg(test)]
mod testing;

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text
    #[default]
    Text,
    /// One versioned document at the end
    Json,
    /// One document per interval, one per line
    Jsonl,
    /// The table of tasks
    Csv,
}
