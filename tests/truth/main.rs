//! Findings on programs with known culprits: they name each culprit with the expected function, and
//! no bystander. `cargo xtask score` prints the table.

#![cfg(feature = "web")]

mod cases;

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

/// Long enough on any machine.
const MAX_RUN_TIME: Duration = Duration::from_secs(90);

/// The tests run one after another: concurrent labs would compete for the CPU.
static LAB: Mutex<()> = Mutex::new(());

/// The holder of the lock sleeps, so the wait for it is long on any machine.
#[test]
fn lock_hog_is_found_beside_two_busy_loops() {
    let _lab = LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let stop = Arc::new(AtomicBool::new(false));
    let busy = [(); 2].map(|()| {
        let stop = stop.clone();
        thread::spawn(move || {
            while !stop.load(Relaxed) {
                black_box(0);
            }
        })
    });
    let case =
        cases::all().into_iter().find(|case| case.name == "hog lock").expect("the case exists");
    let outcome = case.run(Duration::ZERO, MAX_RUN_TIME);
    stop.store(true, Relaxed);
    busy.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert!(outcome.is_expected_location, "{:?}", outcome.found);
    assert!(outcome.false_findings.is_empty(), "{:?}", outcome.false_findings);
}

#[test]
fn culprits_are_found_and_bystanders_are_not() {
    let _lab = LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wrong = Vec::new();
    for case in cases::all() {
        let outcome = case.run(Duration::from_secs(2), MAX_RUN_TIME);
        let is_missed = !outcome.is_expected_location && !outcome.is_machine_overloaded;
        if case.has_culprit() && is_missed {
            wrong.push(format!("{}: not found: {:?}", case.name, outcome.found));
        }
        for finding in outcome.false_findings {
            wrong.push(format!("{}: {finding}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
