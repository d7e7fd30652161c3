//! Samples a runtime of this process.

use std::sync::Arc;

use asynctop_snapshot::{
    Accuracy, Connection, Description, DistributionKey, Distributions, FieldId, Losses,
    Subscription, Target, TargetId, TaskKey, TaskStats, text::is_control,
};
use tokio::runtime::Handle;

use super::{
    distributions::DistributionCollector, meta::MetaCache, runtime,
    sampled_runtime::SampledRuntime, timeline::Timeline, watchdog::WatchReader, workers::Workers,
};
#[cfg(feature = "watchdog")]
use crate::watch::WatchHandle;
use crate::{Registry, State, TaskView};

/// The reason why the wakers of a task are not counted.
const SEVERAL_WAKERS: &str = "the task is polled with alternating wakers";

/// The reason why the thread of a worker is not known.
const NO_POLL_YET: &str = "this worker has not polled a measured task yet";

/// The reason why there are no resources.
const NO_RESOURCES: &str =
    "resources and async operations require console-subscriber in the program (asynctop attach)";

/// The reason why there are no workloads.
const NO_LAB: &str = "only the lab has workloads and a hog";

/// Samples the tasks of a registry and a Tokio runtime of this process.
///
/// Sampling runs on the calling thread and never waits for the runtime, so it works while all
/// workers are blocked. The cost is proportional to the number of tasks.
///
/// ```
/// use asynctop_probe::{LocalSampler, Registry};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// asynctop_probe::spawn_named("greeter", async {}).await.unwrap();
///
/// let runtime = tokio::runtime::Handle::current();
/// let mut sampler = LocalSampler::new("my service", Registry::global(), &runtime);
/// let target = sampler.sample(&Default::default());
/// assert_eq!((&*target.tasks[0].meta.name, target.tasks[0].polls), ("greeter", 1));
/// assert_eq!(target.workers.len(), 1);
/// # }
/// ```
pub struct LocalSampler {
    description: Arc<Description>,
    registry: &'static Registry,
    runtime: SampledRuntime,
    workers: Workers,
    timeline: Timeline,
    metas: MetaCache,
    watchdog: WatchReader,
    /// The number of tasks in the previous snapshot, to size the next one.
    previous_count: usize,
}

impl LocalSampler {
    /// Creates a sampler of this runtime and all tasks of `registry`. `name` is the name of the target.
    /// Uptime and the totals of the workers start now: Tokio does not report when a runtime started.
    pub fn new(name: impl Into<Arc<str>>, registry: &'static Registry, runtime: &Handle) -> Self {
        Self::of_runtime(name, registry, SampledRuntime::new(registry, runtime))
    }

    /// Creates a sampler of `runtime` and the tasks of `registry` that run on it.
    pub fn of_runtime(
        name: impl Into<Arc<str>>,
        registry: &'static Registry,
        runtime: SampledRuntime,
    ) -> Self {
        let watchdog = WatchReader::none();
        LocalSampler {
            description: Arc::new(describe(name.into(), &watchdog)),
            registry,
            runtime,
            workers: Workers::default(),
            timeline: Timeline::default(),
            metas: MetaCache::default(),
            watchdog,
            previous_count: 0,
        }
    }

    /// Adds the long polls that a watchdog of the same registry records, with stack and cause. Await
    /// points are requested from the watchdog: [`WatchHandle::request_await_point`].
    #[cfg(feature = "watchdog")]
    #[must_use]
    pub fn with_watchdog(mut self, watchdog: WatchHandle) -> Self {
        self.watchdog = WatchReader::new(watchdog);
        self.description = Arc::new(describe(Arc::clone(&self.description.name), &self.watchdog));
        self
    }

    /// Records the polls of the workers from now on, so that the first sample with a subscription to
    /// the timeline has the past, too. Costs a few nanoseconds per poll.
    #[must_use]
    pub fn with_recording(mut self) -> Self {
        self.timeline.records_always = true;
        self.timeline.update(false, self.registry);
        self
    }

    /// The values that the samples contain, and their accuracy.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Switches to a runtime that has replaced the previous one. Does nothing if the epoch is the
    /// same.
    pub fn switch_to(&mut self, runtime: SampledRuntime) {
        if runtime.epoch != self.runtime.epoch {
            self.runtime = runtime;
        }
    }

    /// Samples the current state, with the optional parts that `subscription` requests.
    pub fn sample(&mut self, subscription: &Subscription) -> Target {
        // Read first: the statistics below then account for at least these stops.
        let stops = self.watchdog.stops();
        self.timeline.update(subscription.timeline, self.registry);
        let (tasks, distributions) = self.tasks(self.registry.now(), subscription);
        // After the tasks: a state that began while they were read began before this time.
        let now = self.registry.now();
        let measured = tasks
            .iter()
            .filter(|task| !task.state.is_done() && task.state != State::Created)
            .count();
        let threads = self.registry.threads(now);
        let metrics = self.runtime.handle.metrics();
        let workers = self.workers.read(&self.runtime, &metrics, &threads, now);
        let timeline =
            self.timeline.polls(self.workers.thread_indices(), self.runtime.started_ns, now);
        let worker_of = |thread| self.workers.index_of(thread);
        let long_polls = self.watchdog.long_polls(self.runtime.number, worker_of, now);
        Target {
            id: TargetId::default(),
            epoch: self.runtime.epoch,
            taken_ns: now,
            description: Arc::clone(&self.description),
            connection: Connection::InProcess,
            known_until_ns: now,
            losses: Losses::default(),
            runtime: runtime::read(&self.runtime, &metrics, now, measured),
            machine: WatchReader::machine(stops, self.workers.run_delay_ns()),
            long_polls,
            samples: self.watchdog.samples(),
            answers: Vec::new(),
            resources: None,
            workers,
            timeline,
            tasks,
            delays: self.registry.delays(),
            distributions,
            lab: None,
        }
    }

    /// The key of a task in the registry, if `key` is of this runtime.
    fn registry_key(&self, key: TaskKey) -> Option<u64> {
        let own = TaskKey { target: TargetId::default(), epoch: self.runtime.epoch, ..key };
        (key == own).then_some(key.id)
    }

    /// The tasks of this runtime by key, and the subscribed distributions.
    fn tasks(
        &mut self,
        now: u64,
        subscription: &Subscription,
    ) -> (Vec<TaskStats>, Vec<(DistributionKey, Distributions)>) {
        let mut tasks = Vec::with_capacity(self.previous_count + self.previous_count / 8 + 64);
        let task = subscription.task.and_then(|key| self.registry_key(key));
        let mut distributions = DistributionCollector::new(task, subscription.groups);
        let metas = &mut self.metas;
        // The registry may still have ended tasks of the previous runtime.
        let number = self.runtime.number;
        metas.begin_scan();
        self.registry.scan(now, |view| {
            if number.is_some_and(|number| view.runtime() != number) {
                return;
            }
            let task = task_stats(&view, metas, now);
            distributions.add(&view, &task);
            tasks.push(task);
        });
        metas.end_scan(tasks.len());
        // A scan is in order of slots. The keys of reused slots are out of order.
        tasks.sort_unstable_by_key(|task| task.key);
        self.previous_count = tasks.len();
        (tasks, distributions.into_vec())
    }
}

impl std::fmt::Debug for LocalSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSampler")
            .field("name", &self.description.name)
            .field("runtime", &self.runtime)
            .finish_non_exhaustive()
    }
}

fn describe(name: Arc<str>, watchdog: &WatchReader) -> Description {
    let mut description = Description::new(name);
    description.process_id = Some(std::process::id());
    let description = runtime::describe(description)
        .with(FieldId::Lab, Accuracy::unavailable(NO_LAB))
        .with(FieldId::Resources, Accuracy::unavailable(NO_RESOURCES))
        .with_missing(FieldId::LiveWakers, SEVERAL_WAKERS)
        .with_missing(FieldId::WorkerThread, NO_POLL_YET);
    watchdog.describe(description)
}

fn task_stats(view: &TaskView<'_>, metas: &mut MetaCache, now: u64) -> TaskStats {
    let reading = view.reading;
    TaskStats {
        key: view.key(),
        meta: metas.of(view),
        state: reading.state,
        since_ns: reading.since,
        // If the task changed its state during the scan, its values are as of that change.
        known_ns: now.max(reading.since),
        stopped_ns: 0,
        lifetime_ns: reading.lifetime,
        busy_ns: reading.busy,
        scheduled_ns: reading.scheduled,
        idle_ns: reading.idle,
        polls: reading.polls,
        wakes: reading.wakes,
        self_wakes: reading.self_wakes,
        max_poll_ns: reading.max_poll,
        max_delay_ns: reading.max_delay,
        live_wakers: view.live_wakers(),
        stage: view.stage.map(|stage| printable(stage).into()),
    }
}

/// Replaces a stage with control characters as a whole: the result must be `'static`, too.
fn printable(stage: &'static str) -> &'static str {
    if stage.contains(is_control) { "(contains control characters)" } else { stage }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_stats_keep_the_start_of_a_state_that_began_during_the_scan() {
        let registry = Registry::leak();
        let now = registry.now();
        let _task = registry.instrument("late", async {});
        let mut metas = MetaCache::default();
        registry.scan(now, |view| {
            let since_ns = view.reading.since;
            assert!(since_ns > now, "created after the time of the snapshot");
            let row = task_stats(&view, &mut metas, now);
            assert_eq!((row.since_ns, row.known_ns), (since_ns, since_ns));
            assert_eq!(row.time_in_state_ns(now), 0);
        });
        assert_eq!(registry.live(), 1);
    }
}
