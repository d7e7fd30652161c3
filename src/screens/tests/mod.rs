//! Snapshots and keys go in, screens come out.

#[cfg(feature = "attach")]
mod attach;
mod basics;
mod screens;
mod unavailable;
