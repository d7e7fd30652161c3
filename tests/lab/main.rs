//! The lab and the sampler as the program runs them.

#[path = "../../crates/asynctop-lab/tests/lab/bench.rs"]
#[allow(dead_code, reason = "the tests of the lab use the rest")]
mod bench;
mod collector;
mod node;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod timeline;
