//! The lab: what can be changed while it runs, and that no call waits for the runtime under test.

mod bench;
mod control;
mod hog;
mod kinds;
mod support;
#[cfg(feature = "web")]
mod web;
mod work;
