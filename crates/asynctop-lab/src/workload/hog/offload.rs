//! Fixes that move the work off the worker, to another thread.

use std::{thread, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::oneshot,
    task::{block_in_place, spawn_blocking},
};

use super::{Burst, spin};
use crate::hog::HogControl;

/// Computes for a whole burst, which ends early if the hog is stopped or cancelled.
fn compute(control: &HogControl) {
    spin(&mut Burst::new(control), Duration::MAX);
}

/// Computes on a thread of the blocking pool.
pub(super) async fn on_blocking_pool(control: &HogControl) {
    let control = control.clone();
    stage("waits for the blocking pool");
    // An error means that the runtime is shutting down, which drops this task as well.
    let _ = spawn_blocking(move || compute(&control)).await;
}

/// Computes on this thread, after another one has taken over the worker. The caller checks the
/// flavor: on a current-thread runtime this panics.
pub(super) fn in_place(control: &HogControl) {
    stage("computes in place");
    block_in_place(|| compute(control));
}

/// Computes on a new thread, whose end the task awaits.
pub(super) async fn on_new_thread(control: &HogControl) -> Result<(), String> {
    let (done, finished) = oneshot::channel();
    let control = control.clone();
    let work = move || {
        compute(&control);
        // The receiver is gone if the hog was cancelled.
        let _ = done.send(());
    };
    stage("waits for its thread");
    thread::Builder::new().name("asynctop-hog".into()).spawn(work).map_err(|error| {
        format!("cannot start a thread: {error}; try again with fewer threads on the system")
    })?;
    let _ = finished.await;
    Ok(())
}
