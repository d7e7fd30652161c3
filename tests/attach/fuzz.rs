//! A short run of what the example does at length.

#![allow(dead_code, reason = "the example's own main")]

#[path = "../../examples/fuzz_attach.rs"]
mod example;

#[test]
fn hostile_updates_do_no_harm() {
    let (updates, screens) = example::run(3_000, 7);
    assert!(updates > 1_000 && screens > 10, "{updates} updates, {screens} screens");
}
