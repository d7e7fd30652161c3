//! Fixes that move the work off the worker, to another thread.

use std::{thread, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::oneshot,
    task::{block_in_place, spawn_blocking},
};

use super::{Round, spin};
use crate::hog::Orders;

/// A whole round, which ends early if the hog is told to stop or cancelled.
fn compute(orders: &Orders) {
    spin(&mut Round::begin(orders), Duration::MAX);
}

/// On a thread of the blocking pool.
pub(super) async fn to_the_pool(orders: &Orders) {
    let its = orders.clone();
    stage("waits for the blocking pool");
    // An error means that the runtime ends, and this task with it.
    let _ = spawn_blocking(move || compute(&its)).await;
}

/// On this thread, after another one has taken over the worker. Panics on a runtime that
/// has only one thread: whoever releases the hog sees to that.
pub(super) fn in_place(orders: &Orders) {
    stage("computes in place");
    block_in_place(|| compute(orders));
}

/// On a new thread, whose end the task awaits.
pub(super) async fn to_a_thread(orders: &Orders) -> Result<(), String> {
    let (done, answer) = oneshot::channel();
    let its = orders.clone();
    let computing = move || {
        compute(&its);
        // A cancelled hog asks no more.
        let _ = done.send(());
    };
    stage("waits for its thread");
    let started = thread::Builder::new().name("asynctop-hog".into()).spawn(computing);
    started.map_err(|error| {
        format!("cannot start a thread: {error}; try again with fewer threads on the system")
    })?;
    let _ = answer.await;
    Ok(())
}
