//! A poll that tells where the task waits.
//!
//! Nobody asks for it but the watchdog, which knows how to trace: it puts its tracer here.
//! A traced poll gets no further than to where the future waits. So the future is polled
//! once more, for real, which leaves its wakers where they belong. Both are one poll, which
//! counts only if the task was due to be polled anyway. Tokio wakes the waker of a traced
//! poll afterwards, so that poll has one that does nothing.

use std::{
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use super::{Registry, waker::SILENT};

/// Runs a poll of the task with this key, once, and notes where it ends.
pub(crate) type Tracer = fn(registry: &'static Registry, task: u64, poll: &mut dyn FnMut());

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// The tracer of all registries, from now on; there is one only.
#[cfg_attr(
    not(all(feature = "await-points", tokio_unstable, target_os = "linux")),
    allow(dead_code, reason = "builds that cannot trace have no tracer")
)]
pub(crate) fn set_tracer(tracer: Tracer) {
    // The second one is the first one again.
    let _ = TRACER.set(tracer);
}

#[cold]
pub(super) fn go<F: Future>(
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
        // Where there was nothing to wait for, the poll was one like any other.
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => future.poll(context),
    }
}
