//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Long enough on any machine. Tests wait for a condition; this only ends those that would wait
/// forever.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `holds`.
#[track_caller]
pub fn wait_until(expected: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {expected}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until `find` has a result and returns it.
#[track_caller]
pub fn wait_for<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    wait_until("there is a result", || {
        found = find();
        found.is_some()
    });
    found.unwrap()
}
