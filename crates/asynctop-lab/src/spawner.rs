//! Spawns measured tasks on the runtime under test, and cancels them by key.

use std::{
    borrow::Cow,
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
};

use asynctop_probe::{Instrumented, Registry};
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{counter::Counter, lock::lock};

/// Spawns tasks of the lab.
#[derive(Clone)]
pub(crate) struct Spawner {
    registry: &'static Registry,
    /// Number of the runtime: its epoch.
    runtime: u32,
    handle: Handle,
    tasks: Arc<Tasks>,
    /// The prefix of the names of tasks.
    prefix: Option<Arc<str>>,
    /// Counts the cancelled tasks of the workload.
    cancelled: Counter,
}

impl Spawner {
    pub(crate) fn new(registry: &'static Registry, runtime: u32, handle: Handle) -> Self {
        Spawner {
            registry,
            runtime,
            handle,
            tasks: Arc::default(),
            prefix: None,
            cancelled: Counter::default(),
        }
    }

    /// The same for the tasks of one workload, whose names get this prefix.
    pub(crate) fn of(&self, prefix: Option<Arc<str>>, cancelled: &Counter) -> Self {
        Spawner { prefix, cancelled: cancelled.clone(), ..self.clone() }
    }

    /// The runtime under test.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task; its place is that of the caller. Gives its key and its handle.
    #[track_caller]
    pub(crate) fn spawn<F>(&self, name: &str, future: F) -> (u64, AbortHandle)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = &*self.name(name);
        let task = self.registry.instrument_on(self.runtime, name, true, future);
        let key = task.key();
        let abort = spawn_on(&self.handle, name, task);
        let task =
            Spawned { name: name.into(), abort: abort.clone(), cancelled: self.cancelled.clone() };
        self.tasks.insert(key, task);
        (key, abort)
    }

    /// Measures a future that is not spawned.
    #[track_caller]
    pub(crate) fn instrument<F: Future>(&self, name: &str, future: F) -> Instrumented<F> {
        self.registry.instrument_on(self.runtime, &self.name(name), false, future)
    }

    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.prefix {
            Some(prefix) => format!("{prefix}:{name}").into(),
            None => name.into(),
        }
    }

    /// Asks the task with this key to end at its next await. Gives its name, or `None`
    /// if there is no such task or it has ended.
    pub(crate) fn cancel(&self, key: u64) -> Option<Box<str>> {
        let tasks = self.tasks.lock();
        let task = tasks.by_key.get(&key).filter(|task| !task.abort.is_finished())?;
        task.abort.abort();
        task.cancelled.increment();
        Some(task.name.clone())
    }
}

/// Spawns a task under a name that tokio-console shows too.
#[cfg(all(tokio_unstable, feature = "console"))]
#[track_caller]
fn spawn_on<F>(handle: &Handle, name: &str, task: F) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let named = tokio::task::Builder::new().name(name).spawn_on(task, handle);
    // By its type it may fail; it has no way to.
    named.expect("a task can be spawned").abort_handle()
}

/// Spawns a task; Tokio has no names for tasks in this build.
#[cfg(not(all(tokio_unstable, feature = "console")))]
#[track_caller]
fn spawn_on<F>(handle: &Handle, _: &str, task: F) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    handle.spawn(task).abort_handle()
}

/// The tasks that can be cancelled, by key.
#[derive(Default)]
struct Tasks(Mutex<Known>);

/// A task that can be cancelled.
struct Spawned {
    name: Box<str>,
    abort: AbortHandle,
    cancelled: Counter,
}

#[derive(Default)]
struct Known {
    by_key: HashMap<u64, Spawned>,
    /// Look for ended tasks when there are more than this.
    prune_at: usize,
}

impl Tasks {
    /// Below this number ended tasks are not worth looking for.
    const PRUNE_MIN: usize = 1024;

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        lock(&self.0)
    }

    fn insert(&self, key: u64, task: Spawned) {
        let mut known = self.lock();
        if known.by_key.len() >= known.prune_at.max(Self::PRUNE_MIN) {
            // Twice what is left: so each task is looked at a bounded number of times.
            known.by_key.retain(|_, task| !task.abort.is_finished());
            known.prune_at = 2 * known.by_key.len();
        }
        known.by_key.insert(key, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_tasks_are_not_kept_for_ever() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let spawner = Spawner::new(Registry::leak(), 0, runtime.handle().clone());
        for _ in 0..10 * Tasks::PRUNE_MIN {
            spawner.spawn("short", async {});
            runtime.block_on(tokio::task::yield_now());
        }
        assert!(spawner.tasks.lock().by_key.len() <= Tasks::PRUNE_MIN);
    }
}
