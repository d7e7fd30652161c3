//! The runtime under test, on threads of its own.

use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

use asynctop_probe::WorkerThreads;
use asynctop_snapshot::Flavor;

thread_local! {
    static IN_LAB: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is a thread of a runtime under test. A panic hook that must not write
/// over the screen asks it: Tokio catches what a lab's task throws, and the task shows
/// as panicked.
pub fn is_lab_thread() -> bool {
    IN_LAB.try_with(Cell::get).unwrap_or(false)
}

fn worker_name(index: usize) -> String {
    format!("asynctop-w{index}")
}

/// How large a runtime is, and how it schedules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub flavor: Flavor,
    /// Ignored by a current-thread runtime.
    pub workers: usize,
    pub max_blocking_threads: Option<usize>,
}

impl Size {
    fn blocking_threads(self) -> usize {
        /// Tokio's own.
        const USUAL: usize = 512;
        self.max_blocking_threads.unwrap_or(USUAL)
    }
}

/// A Tokio runtime on threads of its own, which nobody waits for.
pub(crate) struct TestRuntime {
    handle: Handle,
    threads: Arc<WorkerThreads>,
    end: End,
}

/// How to end a runtime without waiting for it.
enum End {
    /// Its thread sleeps in `block_on` until the sender is dropped.
    Thread {
        _until: oneshot::Sender<()>,
    },
    Pool(Option<Runtime>),
}

impl TestRuntime {
    pub(crate) fn start(size: Size) -> io::Result<Self> {
        match size.flavor {
            Flavor::CurrentThread => Self::current_thread(size),
            Flavor::MultiThread => Self::multi_thread(size),
        }
    }

    fn current_thread(size: Size) -> io::Result<Self> {
        let threads = Arc::new(WorkerThreads::default());
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(size.blocking_threads())
            .thread_name("asynctop-blocking")
            .on_thread_start(|| IN_LAB.set(true))
            .build()?;
        let handle = runtime.handle().clone();
        let (until, ended) = oneshot::channel::<()>();
        let registered = Arc::clone(&threads);
        thread::Builder::new().name(worker_name(0)).spawn(move || {
            IN_LAB.set(true);
            registered.register(0);
            // An error is what is waited for: the sender was dropped.
            runtime.block_on(async { drop(ended.await) });
            runtime.shutdown_background();
        })?;
        Ok(TestRuntime { handle, threads, end: End::Thread { _until: until } })
    }

    fn multi_thread(size: Size) -> io::Result<Self> {
        let workers = size.workers;
        let threads = Arc::new(WorkerThreads::default());
        let registered = Arc::clone(&threads);
        // Tokio's first threads are its workers, later ones belong to the blocking pool.
        let named = AtomicUsize::new(0);
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .max_blocking_threads(size.blocking_threads())
            .enable_all()
            .thread_name_fn(move || match named.fetch_add(1, Ordering::Relaxed) {
                index if index < workers => worker_name(index),
                index => format!("asynctop-blocking-{}", index - workers),
            })
            .on_thread_start(move || {
                IN_LAB.set(true);
                let number = |name: &str| name.strip_prefix("asynctop-w")?.parse().ok();
                if let Some(index) = thread::current().name().and_then(number) {
                    registered.register(index);
                }
            })
            .build()?;
        let handle = runtime.handle().clone();
        Ok(TestRuntime { handle, threads, end: End::Pool(Some(runtime)) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn threads(&self) -> &Arc<WorkerThreads> {
        &self.threads
    }
}

impl Drop for TestRuntime {
    /// Tasks end at their next await, threads after that; nothing here waits for either.
    fn drop(&mut self) {
        if let End::Pool(runtime) = &mut self.end
            && let Some(runtime) = runtime.take()
        {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_of_the_lab_are_lab_threads() {
        for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
            let runtime =
                TestRuntime::start(Size { flavor, workers: 2, max_blocking_threads: None })
                    .expect("a runtime");
            let (sender, answers) = std::sync::mpsc::channel();
            let handle = runtime.handle();
            let from_pool = sender.clone();
            handle.spawn(async move { sender.send(is_lab_thread()) });
            handle.spawn_blocking(move || from_pool.send(is_lab_thread()));
            assert_eq!((answers.recv(), answers.recv()), (Ok(true), Ok(true)));
            assert!(!is_lab_thread());
        }
    }
}
