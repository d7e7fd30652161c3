//! The lab and its source: what a user can do to the runtime under test, and that the
//! dashboard's side never waits for it.

#![cfg(feature = "dashboard")]

mod bench;
mod control;
mod hog;
mod kinds;
mod node;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "web")]
mod web;
mod work;
