//! The text form of data: formats and parses numbers, and sanitizes text.
//!
//! Screens, reports, findings, errors and help all use these functions, so numbers have the same form
//! everywhere: `1.25s`, `12.3k`, `45.2%`. Depends on no other module.

mod closest_match;
mod parse;
mod quantity;
mod sanitize;
mod source_path;

pub use closest_match::{closest_match, did_you_mean, edit_distance};
pub use parse::{parse_bytes, parse_duration};
pub use quantity::{
    bucket_duration, bytes, bytes_exact, compact_count, count, duration, duration_exact, factor,
    optional, percent, percent_number, plural, rate, task_seconds, whole_percent,
};
pub use sanitize::{excerpt, is_control, sanitize};
pub use source_path::short_source_path;

/// The sign for an unavailable value.
pub const UNAVAILABLE: &str = "–";
