//! Reports in text, JSON and CSV: the [`Model`] at the end of a run and a [`Summary`] of its phases.
//!
//! Depends on the model and the text form of data, not on a clock or a terminal. JSON and CSV write
//! the same rows.

mod availability;
pub mod csv;
mod impact;
pub mod json;
mod row;
mod summary;
mod table;
mod tables;
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

/// The format of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// Plain text
    #[default]
    Text,
    /// One versioned document
    Json,
}
