//! The hog: a task that keeps its worker, in the ways that real programs do.

use std::{
    hint::spin_loop,
    thread,
    time::{Duration, Instant},
};

use tokio::task::{AbortHandle, yield_now};

use crate::{
    lab::{
        hog::{Hog, HogKind, Hold, Stop},
        spawner::Spawner,
    },
    stage,
};

/// How long a hog that blocks sleeps before it looks whether to stop.
const NAP: Duration = Duration::from_millis(5);

/// Lets as many hogs loose as there should be: their keys and their handles.
pub(in crate::lab) fn release(
    spawner: &Spawner,
    hog: &Hog,
    stop: &Stop,
) -> Vec<(u64, AbortHandle)> {
    let one = |number| {
        let name = if hog.count == 1 { "hog".to_owned() } else { format!("hog-{number}") };
        spawner.spawn(&name, run(hog.kind, hog.hold.clone(), stop.clone()))
    };
    (1..=hog.count).map(one).collect()
}

async fn run(kind: HogKind, hold: Hold, stop: Stop) {
    loop {
        match kind {
            HogKind::Spin => {
                stage("spins");
                spin(&hold, &stop);
            }
            HogKind::Block => {
                stage("blocks the thread");
                block(&hold, &stop);
            }
        }
        if stop.asked() {
            return;
        }
        stage("gives way");
        yield_now().await;
    }
}

/// Burns the processor until the hold is over or the stop is asked for.
fn spin(hold: &Hold, stop: &Stop) {
    let begin = Instant::now();
    // Looked up each time: the hold may change meanwhile.
    while !stop.asked() && hold.get().is_none_or(|hold| begin.elapsed() < hold) {
        for _ in 0..64 {
            spin_loop();
        }
    }
}

/// Sleeps in the thread until the hold is over or the stop is asked for.
fn block(hold: &Hold, stop: &Stop) {
    let begin = Instant::now();
    while !stop.asked() {
        let left = hold.get().map_or(NAP, |hold| hold.saturating_sub(begin.elapsed()));
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(NAP));
    }
}
