//! The lab knows who is guilty: the findings have to find them, at the right place, and
//! nobody else. `cargo run --release --example score` prints the table.

#![cfg(feature = "web")]

mod cases;

use std::time::Duration;

/// Long enough on any machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// One after the other: labs that run at the same time would take each other's CPU.
#[test]
fn the_guilty_are_found_and_nobody_else_is_accused() {
    let mut wrong = Vec::new();
    for case in cases::all() {
        let run = || case.run(Duration::from_secs(2), PATIENCE);
        let mut outcome = run();
        // A machine that takes the CPU away may make an innocent look guilty once.
        for _ in 0..2 {
            if outcome.accused.is_empty() {
                break;
            }
            outcome = run();
        }
        if case.is_guilty() && !outcome.right_place {
            wrong.push(format!("{}: not found: {:?}", case.name, outcome.found));
        }
        for said in outcome.accused {
            wrong.push(format!("{}: {said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
