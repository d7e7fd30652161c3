//! The lab: commands and their effects, and that no call waits for the runtime under test.

mod bench;
mod control;
mod hog;
mod kinds;
mod support;
#[cfg(feature = "web")]
mod web;
mod work;
