//! Computing that blocks its thread.

use std::{
    hint::spin_loop,
    time::{Duration, Instant},
};

/// Uses the CPU for this long.
pub(super) fn compute(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        for _ in 0..32 {
            spin_loop();
        }
    }
}
