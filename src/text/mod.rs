//! The text form of data, from `asynctop-snapshot`, and its layout in the columns of a terminal.

mod width;

pub use asynctop_snapshot::text::*;
pub(crate) use width::{clauses, file_and_folder, fit, fit_name, fit_path, wrap};
