//! Computing, the way it is right on a runtime: in short slices with a yield between.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use tokio::{
    task::{AbortHandle, yield_now},
    time::sleep,
};

use super::Workload;
use crate::{
    lab::{shared::Done, spawner::Spawner},
    stage,
};

/// Short enough that whoever waits meanwhile does not notice.
const SLICE: Duration = Duration::from_micros(100);
const SLICES_PER_JOB: usize = 20;
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Cruncher {
    spawner: Spawner,
    done: Done,
}

impl Cruncher {
    pub(super) fn new(spawner: Spawner, done: Done) -> Self {
        Cruncher { spawner, done }
    }
}

impl Workload for Cruncher {
    fn start(&mut self, number: usize) -> AbortHandle {
        self.spawner.spawn(&format!("cruncher-{number}"), cruncher(self.done.clone())).1
    }
}

async fn cruncher(done: Done) {
    let mut next = 1;
    loop {
        stage("crunches numbers");
        for _ in 0..SLICES_PER_JOB {
            next = slice(next);
            done.one();
            yield_now().await;
        }
        stage("waits for the next job");
        sleep(PAUSE).await;
    }
}

/// Follows Collatz sequences from `next` on until the slice is over.
fn slice(mut next: u64) -> u64 {
    let begin = Instant::now();
    while begin.elapsed() < SLICE {
        for _ in 0..16 {
            black_box(collatz_steps(next));
            next = next.wrapping_add(1).max(1);
        }
    }
    next
}

fn collatz_steps(mut n: u64) -> u32 {
    let mut steps = 0;
    while n > 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { n.wrapping_mul(3).wrapping_add(1) };
        steps += 1;
    }
    steps
}
