//! The culprits of the lab are known: the rules must report them, at the right line, and no other
//! task. `cargo xtask score` prints the table.

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
const PATIENCE: Duration = Duration::from_secs(90);

/// One after the other: labs that run at the same time would take each other's CPU.
static ALONE: Mutex<()> = Mutex::new(());

/// The holder of the lock sleeps, so the wait for it is the hog's own on any machine.
#[test]
fn a_lock_hog_is_found_beside_two_busy_loops() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stop = Arc::new(AtomicBool::new(false));
    let busy = [(); 2].map(|()| {
        let stop = stop.clone();
        thread::spawn(move || {
            while !stop.load(Relaxed) {
                black_box(0);
            }
        })
    });
    let case = cases::all().into_iter().find(|case| case.name == "hog lock").expect("there is one");
    let outcome = case.run(Duration::ZERO, PATIENCE);
    stop.store(true, Relaxed);
    busy.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert!(outcome.right_place, "{:?}", outcome.found);
    assert!(outcome.accused.is_empty(), "{:?}", outcome.accused);
}

#[test]
fn the_guilty_are_found_and_nobody_else_is_accused() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut wrong = Vec::new();
    for case in cases::all() {
        let outcome = case.run(Duration::from_secs(2), PATIENCE);
        if case.is_guilty() && !outcome.right_place {
            wrong.push(format!("{}: not found: {:?}", case.name, outcome.found));
        }
        for accused in outcome.accused {
            wrong.push(format!("{}: {accused}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
