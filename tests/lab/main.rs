//! The lab and the collector as the program runs them.

#[path = "../../crates/asynctop-lab/tests/lab/bench.rs"]
#[allow(dead_code, reason = "the tests of the lab use the other parts")]
mod bench;
mod collector;
mod node;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
