//! A traced poll, which finds the await points of a task.
//!
//! Requested only by the watchdog, which installs the tracer. A traced poll stops where the future
//! would wait, without registering a waker. So the future is polled a second time, which registers
//! its wakers. Both count as one poll, and only if the task was due to be polled anyway. Tokio wakes
//! the waker of a traced poll afterwards, so that poll gets a waker that does nothing.

use std::{
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use super::{Registry, waker::SILENT};

/// Runs a poll of the task with this key, once, and records its await points.
pub(crate) type Tracer = fn(registry: &'static Registry, task: u64, poll: &mut dyn FnMut());

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Sets the tracer of all registries. There is only one.
#[cfg_attr(
    not(all(feature = "await-points", tokio_unstable, target_os = "linux")),
    allow(dead_code, reason = "builds that cannot trace have no tracer")
)]
pub(crate) fn set_tracer(tracer: Tracer) {
    // Further calls pass the same tracer.
    let _ = TRACER.set(tracer);
}

#[cold]
pub(super) fn poll<F: Future>(
    mut future: Pin<&mut F>,
    context: &mut Context<'_>,
    registry: &'static Registry,
    task: u64,
) -> Poll<F::Output> {
    let mut result = Poll::Pending;
    if let Some(tracer) = TRACER.get() {
        let mut silent = Context::from_waker(SILENT);
        tracer(registry, task, &mut || result = future.as_mut().poll(&mut silent));
    }
    match result {
        // Without an await point, the traced poll was complete.
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => future.poll(context),
    }
}
