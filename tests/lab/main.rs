//! The lab, and the source over a runtime of this process: what a user can do to the runtime under
//! test, and that the dashboard never waits for it.

mod bench;
mod control;
mod hog;
mod kinds;
mod node;
mod sampler;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
#[cfg(feature = "web")]
mod web;
mod work;
