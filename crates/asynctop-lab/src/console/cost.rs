//! Measures what a subscriber adds to each poll. It depends on the machine and on the build.

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
/// Others run on this machine too: the quietest of the rounds counts.
const ROUNDS: u32 = 8;

/// What a poll takes longer under `subscriber` than without one, in ns.
pub(super) fn added_ns_per_poll(subscriber: &Dispatch) -> io::Result<u64> {
    let runtime = Builder::new_current_thread().build()?;
    let bare = Dispatch::new(NoSubscriber::default());
    let quietest = |dispatch: &Dispatch, least: Duration| least.min(round(&runtime, dispatch));
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        without = quietest(&bare, without);
        with = quietest(subscriber, with);
    }
    let polls = u128::from(TASKS * (YIELDS + 1));
    Ok((with.saturating_sub(without).as_nanos() / polls) as u64)
}

/// How long it takes until tasks that do nothing but yield are through.
fn round(runtime: &Runtime, dispatch: &Dispatch) -> Duration {
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
