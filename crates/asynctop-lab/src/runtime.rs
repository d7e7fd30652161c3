//! The runtime under test, on its own threads.

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

/// Whether the current thread belongs to a runtime under test. A panic hook of a program with a
/// screen uses this to stay silent: Tokio catches the panic, and the task is shown as panicked.
pub fn is_lab_thread() -> bool {
    IN_LAB.try_with(Cell::get).unwrap_or(false)
}

/// The name of the threads of a multi-thread runtime's workers, without a number: the runtime does
/// not number its workers in the order in which their threads start.
const WORKER: &str = "asynctop-worker";

#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeConfig {
    pub flavor: Flavor,
    /// Ignored by a current-thread runtime.
    pub workers: usize,
    pub max_blocking_threads: Option<usize>,
}

impl RuntimeConfig {
    fn max_blocking_threads(self) -> usize {
        const TOKIO_DEFAULT: usize = 512;
        self.max_blocking_threads.unwrap_or(TOKIO_DEFAULT)
    }
}

/// A Tokio runtime on its own threads. Dropping it does not wait for them.
pub(crate) struct TestRuntime {
    handle: Handle,
    threads: Arc<WorkerThreads>,
    shutdown: Shutdown,
}

/// How to shut a runtime down without waiting for it.
enum Shutdown {
    /// The thread is in `block_on` until the sender is dropped.
    CurrentThread {
        _sender: oneshot::Sender<()>,
    },
    MultiThread(Option<Runtime>),
}

impl TestRuntime {
    pub(crate) fn start(config: RuntimeConfig) -> io::Result<Self> {
        match config.flavor {
            Flavor::CurrentThread => Self::current_thread(config),
            Flavor::MultiThread => Self::multi_thread(config),
        }
    }

    fn current_thread(config: RuntimeConfig) -> io::Result<Self> {
        let threads = Arc::new(WorkerThreads::default());
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(config.max_blocking_threads())
            .thread_name("asynctop-blocking")
            .on_thread_start(|| IN_LAB.set(true))
            .build()?;
        let handle = runtime.handle().clone();
        let (sender, dropped) = oneshot::channel::<()>();
        let worker_threads = Arc::clone(&threads);
        thread::Builder::new().name("asynctop-w0".to_owned()).spawn(move || {
            IN_LAB.set(true);
            worker_threads.register(0);
            // Completes with an error when the sender is dropped.
            runtime.block_on(async { drop(dropped.await) });
            runtime.shutdown_background();
        })?;
        Ok(TestRuntime { handle, threads, shutdown: Shutdown::CurrentThread { _sender: sender } })
    }

    fn multi_thread(config: RuntimeConfig) -> io::Result<Self> {
        let workers = config.workers;
        let threads = Arc::new(WorkerThreads::default());
        let worker_threads = Arc::clone(&threads);
        // Tokio starts its workers first; later threads belong to the blocking pool.
        let (next_thread, next_worker) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .max_blocking_threads(config.max_blocking_threads())
            .enable_all()
            .thread_name_fn(move || match next_thread.fetch_add(1, Ordering::Relaxed) {
                index if index < workers => WORKER.to_owned(),
                index => format!("asynctop-blocking-{}", index - workers),
            })
            .on_thread_start(move || {
                IN_LAB.set(true);
                if thread::current().name() == Some(WORKER) {
                    worker_threads.register(next_worker.fetch_add(1, Ordering::Relaxed));
                }
            })
            .build()?;
        let handle = runtime.handle().clone();
        Ok(TestRuntime { handle, threads, shutdown: Shutdown::MultiThread(Some(runtime)) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn threads(&self) -> &Arc<WorkerThreads> {
        &self.threads
    }
}

impl Drop for TestRuntime {
    /// Tasks end at their next await and threads after that, without being waited for.
    fn drop(&mut self) {
        if let Shutdown::MultiThread(runtime) = &mut self.shutdown
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
    fn is_lab_thread_is_true_on_workers_and_pool_threads_only() {
        for flavor in [Flavor::CurrentThread, Flavor::MultiThread] {
            let config = RuntimeConfig { flavor, workers: 2, max_blocking_threads: None };
            let runtime = TestRuntime::start(config).expect("a runtime");
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
