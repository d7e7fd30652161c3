//! The text form of data, from `asynctop-snapshot`, and its fit into the columns of a terminal.

#[cfg(feature = "dashboard")]
mod width;

pub use asynctop_snapshot::text::*;
#[cfg(feature = "dashboard")]
pub(crate) use width::{fit, fit_path, wrap};
