//! The text form of data: how numbers are written and read, and what text from outside may
//! contain.
//!
//! Screens, reports, findings, errors and help all use these functions, so a number has one form
//! everywhere: `1.25s`, `12.3k`, `45.2%`. Depends on no other module and does no I/O.

mod closest_match;
mod parse;
mod quantity;
mod sanitize;
mod source_path;

pub use closest_match::edit_distance;
pub use closest_match::{closest_match, did_you_mean};
pub use parse::parse_bytes;
pub use parse::parse_duration;
pub use quantity::{
    bucket_duration, bytes, bytes_exact, count, duration, duration_exact, plural, rate,
    task_seconds, whole_percent,
};
pub use quantity::{compact_count, factor, optional, percent, percent_number};
pub use sanitize::is_control;
pub use sanitize::{excerpt, sanitize};
pub use source_path::short_source_path;

/// The sign for an unavailable value.
pub const UNAVAILABLE: &str = "–";
