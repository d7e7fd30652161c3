//! Work that blocks its thread.

use std::{
    hint::spin_loop,
    time::{Duration, Instant},
};

/// Burns the processor for this long, without an await.
pub(super) fn compute(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        for _ in 0..32 {
            spin_loop();
        }
    }
}
