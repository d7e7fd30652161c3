//! Measures the time that a subscriber adds to each poll, which depends on machine and build.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::{JoinSet, yield_now},
};
use tracing::{Dispatch, dispatcher, subscriber::NoSubscriber};

const TASKS: u32 = 16;
const YIELDS: u32 = 32;
/// The fastest repetition counts, because other programs run on this machine.
const REPETITIONS: u32 = 8;

/// The additional time per poll with `subscriber`, in ns.
pub(super) fn added_ns_per_poll(subscriber: &Dispatch) -> io::Result<u64> {
    let runtime = Builder::new_current_thread().build()?;
    let bare = Dispatch::new(NoSubscriber::default());
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..REPETITIONS {
        without = without.min(run_tasks(&runtime, &bare));
        with = with.min(run_tasks(&runtime, subscriber));
    }
    let polls = u128::from(TASKS * (YIELDS + 1));
    Ok((with.saturating_sub(without).as_nanos() / polls) as u64)
}

/// The time in which [`TASKS`] tasks that only yield complete.
fn run_tasks(runtime: &Runtime, dispatch: &Dispatch) -> Duration {
    dispatcher::with_default(dispatch, || {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..TASKS {
                tasks.spawn(async {
                    for _ in 0..YIELDS {
                        yield_now().await;
                    }
                });
            }
            let begin = Instant::now();
            while tasks.join_next().await.is_some() {}
            begin.elapsed()
        })
    })
}
