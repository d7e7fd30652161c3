//! Waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Maximum time for which a test waits. It is long enough on any machine: it only ends a test whose
/// condition never holds.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until `holds`.
#[track_caller]
pub fn wait_until(expected: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < TIMEOUT, "waited in vain until {expected}");
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
