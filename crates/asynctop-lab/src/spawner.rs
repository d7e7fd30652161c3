//! Spawns measured tasks on the runtime under test, and cancels them by key.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::{Arc, Mutex},
};

use asynctop_probe::{Instrumented, Registry};
use asynctop_snapshot::group_name;
use tokio::{runtime::Handle, task::AbortHandle};

use crate::{counter::Counter, lock::lock};

#[derive(Clone)]
pub(crate) struct Spawner {
    registry: &'static Registry,
    epoch: u32,
    handle: Handle,
    tasks: Arc<CancellableTasks>,
    /// The prefix of task names.
    prefix: Option<Arc<str>>,
    log: TaskLog,
}

/// The tasks that were spawned for one workload, over all epochs. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskLog {
    /// The number of tasks that the user cancelled.
    pub cancelled: Counter,
    groups: Arc<Mutex<BTreeSet<Arc<str>>>>,
}

impl TaskLog {
    fn add(&self, name: &str) {
        let (group, mut groups) = (group_name(name), lock(&self.groups));
        if !groups.contains(group) {
            groups.insert(group.into());
        }
    }

    /// The names of the groups of its tasks.
    pub(crate) fn groups(&self) -> Vec<Arc<str>> {
        lock(&self.groups).iter().cloned().collect()
    }
}

impl Spawner {
    pub(crate) fn new(registry: &'static Registry, epoch: u32, handle: Handle) -> Self {
        Spawner {
            registry,
            epoch,
            handle,
            tasks: Arc::default(),
            prefix: None,
            log: TaskLog::default(),
        }
    }

    /// A spawner for one workload, whose task names get this prefix.
    pub(crate) fn for_workload(&self, prefix: Option<Arc<str>>, log: &TaskLog) -> Self {
        Spawner { prefix, log: log.clone(), ..self.clone() }
    }

    /// The runtime under test.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task, whose location is the caller's.
    #[track_caller]
    pub(crate) fn spawn<F>(&self, name: &str, future: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_with_key(name, future).1
    }

    /// Same as [`spawn`](Self::spawn), and returns the key of the task as well.
    #[track_caller]
    pub(crate) fn spawn_with_key<F>(&self, name: &str, future: F) -> (u64, AbortHandle)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = &*self.name(name);
        self.log.add(name);
        let task = self.registry.instrument_on(self.epoch, name, true, future);
        let key = task.key();
        let abort = spawn_on(&self.handle, name, task);
        let task = CancellableTask {
            name: name.into(),
            abort: abort.clone(),
            cancelled: self.log.cancelled.clone(),
        };
        self.tasks.insert(key, task);
        (key, abort)
    }

    /// Measures a future without spawning it.
    #[track_caller]
    pub(crate) fn instrument<F: Future>(&self, name: &str, future: F) -> Instrumented<F> {
        let name = &*self.name(name);
        self.log.add(name);
        self.registry.instrument_on(self.epoch, name, false, future)
    }

    fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.prefix {
            Some(prefix) => format!("{prefix}:{name}").into(),
            None => name.into(),
        }
    }

    /// Cancels the task with this key at its next await and returns its name, or `None` if there
    /// is no such task or it has ended.
    pub(crate) fn cancel(&self, key: u64) -> Option<Box<str>> {
        let tasks = lock(&self.tasks.0);
        let task = tasks.by_key.get(&key).filter(|task| !task.abort.is_finished())?;
        task.abort.abort();
        task.cancelled.increment();
        Some(task.name.clone())
    }
}

/// Spawns a task with a name that tokio-console shows as well.
#[cfg(all(tokio_unstable, feature = "console"))]
#[track_caller]
fn spawn_on<F>(handle: &Handle, name: &str, task: F) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let named = tokio::task::Builder::new().name(name).spawn_on(task, handle);
    // Tokio never returns the error.
    named.expect("a task can be spawned").abort_handle()
}

/// Spawns a task without a name, as Tokio has no task names in this build.
#[cfg(not(all(tokio_unstable, feature = "console")))]
#[track_caller]
fn spawn_on<F>(handle: &Handle, _: &str, task: F) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    handle.spawn(task).abort_handle()
}

struct CancellableTask {
    name: Box<str>,
    abort: AbortHandle,
    cancelled: Counter,
}

#[derive(Default)]
struct CancellableTasks(Mutex<TaskTable>);

#[derive(Default)]
struct TaskTable {
    by_key: HashMap<u64, CancellableTask>,
    /// The number of tasks at which ended ones are removed.
    prune_at: usize,
}

impl CancellableTasks {
    /// Below this number, removing ended tasks is not worthwhile.
    const PRUNE_MIN: usize = 1024;

    fn insert(&self, key: u64, task: CancellableTask) {
        let mut tasks = lock(&self.0);
        if tasks.by_key.len() >= tasks.prune_at.max(Self::PRUNE_MIN) {
            // Doubling bounds the number of checks per task.
            tasks.by_key.retain(|_, task| !task.abort.is_finished());
            tasks.prune_at = 2 * tasks.by_key.len();
        }
        tasks.by_key.insert(key, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_tasks_are_removed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let spawner = Spawner::new(Registry::leak(), 0, runtime.handle().clone());
        for _ in 0..10 * CancellableTasks::PRUNE_MIN {
            spawner.spawn("short", async {});
            runtime.block_on(tokio::task::yield_now());
        }
        assert!(lock(&spawner.tasks.0).by_key.len() <= CancellableTasks::PRUNE_MIN);
    }
}
