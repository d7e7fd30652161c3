//! The runtime in this process.

use std::{collections::HashMap, sync::Arc};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::{
    Source,
    meta::Metas,
    runtime::{self, RuntimeGauge},
    timeline::Timeline,
    workers::Workers,
};
use crate::{
    lab::{Epoch, Lab, Shared},
    model::{
        Accuracy, Description, Distributions, FieldId, Flavor, MachineStats, Subject, Subscription,
        Target, TaskStats,
    },
    probe::{Registry, State, TaskView},
    text::is_control,
    watch::{AwaitPoint, Awaits, Evidence, PollRecord, WatchHandle, machine_times},
};

/// Why the wakers of a task are not counted.
const SEVERAL_WAKERS: &str = "the task is polled with alternating wakers";

/// Why there are no resources.
const NO_RESOURCES: &str =
    "resources and async operations require console-subscriber in the program (asynctop attach)";

/// Why there are no await points.
const NO_AWAIT_POINTS: &str = "await points require the watchdog";

/// A snapshot tells of so many long polls at most: those under way, then the latest.
const EVIDENCE: usize = 100;

/// Looks at a registry and at a Tokio runtime of this process.
pub struct LiveSource {
    description: Arc<Description>,
    registry: &'static Registry,
    watched: Watched,
    epoch: Epoch,
    gauge: RuntimeGauge,
    workers: Workers,
    timeline: Timeline,
    metas: Metas,
    watchdog: Option<WatchHandle>,
    /// When the last poll ended that the watchdog has told of.
    heard_ns: u64,
    /// The task that was asked last where it waits, and the number of that wish.
    asked: Option<(u64, u64)>,
    /// How many tasks the last snapshot had: the next one will have about as many.
    last_count: usize,
}

/// What is watched.
enum Watched {
    /// One runtime, from its source's beginning to the end.
    Runtime,
    /// The lab's runtime, which may be another one at each look.
    Lab(Arc<Shared>),
}

impl LiveSource {
    /// Watches the tasks of `registry` on one runtime, which `name` says what it is. The
    /// uptime and the workers' polls count from now: Tokio does not tell when a runtime
    /// began.
    pub fn new(name: &str, registry: &'static Registry, runtime: &Handle) -> Self {
        let flavor = match runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread => Flavor::CurrentThread,
            _ => Flavor::MultiThread,
        };
        let epoch = Epoch {
            number: 1,
            flavor,
            handle: runtime.clone(),
            threads: Arc::default(),
            started_ns: registry.now(),
            before: registry.threads(registry.now()).into(),
        };
        Self::watch(name.into(), registry, Watched::Runtime, epoch)
    }

    /// Watches the lab, also over a switch of its runtime.
    pub fn of_lab(lab: &Lab) -> Self {
        let shared = Arc::clone(lab.shared());
        let epoch = shared.epoch().clone();
        Self::watch(shared.source_name(), shared.registry, Watched::Lab(shared), epoch)
    }

    /// Lets a watchdog say where and why polls are long.
    pub fn with_watchdog(mut self, watchdog: WatchHandle) -> Self {
        self.watchdog = Some(watchdog);
        self.description = Arc::new(describe(&self.description.name, &self.watched, true));
        self
    }

    /// What the watchdog knows of the polls that are under way, and of those that ended
    /// since it was asked last.
    fn evidence(&mut self) -> Vec<Arc<Evidence>> {
        let Some(watchdog) = &self.watchdog else { return Vec::new() };
        let since_ns = self.heard_ns;
        let news = |noticed_ns: u64| noticed_ns > since_ns;
        let records = watchdog.records();
        self.heard_ns =
            records.iter().filter_map(|r| r.noticed_ns).max().unwrap_or(0).max(since_ns);
        // A poll of the lab's previous runtime may still be under way.
        let is_lab = matches!(self.watched, Watched::Lab(_));
        let number = self.epoch.runtime();
        let is_current = |runtime: Option<u32>| !is_lab || runtime.is_none_or(|r| r == number);
        let told = records.iter().filter(|record| record.noticed_ns.is_none_or(news));
        let told = told.filter(|record| is_current(record.runtime));
        let evidence = |record: &Arc<PollRecord>| {
            let worker = record.thread.and_then(|thread| self.workers.index_of(thread));
            Arc::new(Evidence { worker, ..record.evidence() })
        };
        told.take(EVIDENCE).map(evidence).collect()
    }

    /// Asks a task where it waits, if it is to be asked and was not yet, and what it said.
    fn await_point(&mut self, subscription: &Subscription, now: u64) -> Option<AwaitPoint> {
        let is_new = self.asked != subscription.awaits;
        self.asked = subscription.awaits;
        let (task, _) = subscription.awaits?;
        let Some(watchdog) = &self.watchdog else {
            let why = Awaits::Unavailable(NO_AWAIT_POINTS.into());
            return Some(AwaitPoint { task, asked_ns: now, answer: why });
        };
        if is_new {
            watchdog.ask(task);
        }
        watchdog.await_point(task)
    }

    fn watch(name: Arc<str>, registry: &'static Registry, watched: Watched, epoch: Epoch) -> Self {
        let gauge = RuntimeGauge::new(&epoch.handle);
        LiveSource {
            description: Arc::new(describe(&name, &watched, false)),
            registry,
            watched,
            epoch,
            gauge,
            workers: Workers::default(),
            timeline: Timeline::default(),
            metas: Metas::default(),
            watchdog: None,
            heard_ns: 0,
            asked: None,
            last_count: 0,
        }
    }

    fn follow_the_lab(&mut self) {
        let Watched::Lab(shared) = &self.watched else { return };
        let epoch = shared.epoch();
        if epoch.number != self.epoch.number {
            self.epoch = epoch.clone();
            self.gauge = RuntimeGauge::new(&self.epoch.handle);
        }
    }

    /// The tasks of this epoch by key, and the distributions that were asked for.
    fn tasks(
        &mut self,
        now: u64,
        subscription: &Subscription,
    ) -> (Vec<TaskStats>, Vec<(Subject, Distributions)>) {
        let mut tasks = Vec::with_capacity(self.last_count + self.last_count / 8 + 64);
        let mut wanted = Wanted::new(subscription);
        let metas = &mut self.metas;
        // Tasks of the lab's runtime before this one may still be shown as ended.
        let runtime = match self.watched {
            Watched::Runtime => None,
            Watched::Lab(_) => Some(self.epoch.runtime()),
        };
        metas.begin_round();
        self.registry.scan(now, |view| {
            if runtime.is_some_and(|number| view.runtime() != number) {
                return;
            }
            let task = figures(&view, metas, now);
            wanted.take(&view, &task);
            tasks.push(task);
        });
        metas.end_round(tasks.len());
        // The scan goes by slot; a slot that was used again is out of its place.
        tasks.sort_unstable_by_key(|task| task.key);
        self.last_count = tasks.len();
        (tasks, wanted.into_vec())
    }
}

impl Source for LiveSource {
    fn snapshot(&mut self, subscription: &Subscription) -> Target {
        self.follow_the_lab();
        // Read first: statistics read afterwards may include the latest stop.
        let stops = self.watchdog.as_ref().map(WatchHandle::stops).unwrap_or_default();
        self.timeline.look(subscription.timeline, self.registry);
        let (tasks, distributions) = self.tasks(self.registry.now(), subscription);
        // After the tasks: a state that began while they were read began before this time.
        let now = self.registry.now();
        let measured = tasks
            .iter()
            .filter(|task| !task.state.is_done() && task.state != State::Created)
            .count();
        let threads = self.registry.threads(now);
        // After the threads: what was done before a hog began is counted when it shows.
        let lab = match &self.watched {
            Watched::Runtime => None,
            Watched::Lab(shared) => Some(shared.figures()),
        };
        let metrics = self.epoch.handle.metrics();
        let workers = self.workers.read(&self.epoch, &metrics, &threads, now);
        let timeline = self.timeline.polls(self.workers.places(), self.epoch.started_ns, now);
        Target {
            taken_ns: now,
            description: Arc::clone(&self.description),
            epoch: self.epoch.number,
            runtime: self.gauge.read(
                self.epoch.flavor,
                now.saturating_sub(self.epoch.started_ns),
                measured as u64,
            ),
            machine: Some(MachineStats {
                stops,
                times: machine_times(),
                run_delay_ns: self.workers.run_delay_ns(),
            }),
            evidence: self.evidence(),
            samples: self.watchdog.as_ref().map(WatchHandle::samples).unwrap_or_default(),
            await_point: self.await_point(subscription, now),
            targets: Vec::new(),
            resources: None,
            workers,
            timeline,
            tasks,
            delays: self.registry.delays(),
            distributions,
            lab,
        }
    }
}

/// What a source in this process provides.
fn describe(name: &Arc<str>, watched: &Watched, has_watchdog: bool) -> Description {
    let mut description = runtime::describe(Description::new(Arc::clone(name)))
        .with(FieldId::Resources, Accuracy::unavailable(NO_RESOURCES))
        .with_missing(FieldId::LiveWakers, SEVERAL_WAKERS);
    if let Watched::Runtime = watched {
        description = description
            .with(FieldId::Lab, Accuracy::unavailable("only the lab has workloads and a hog"));
    }
    if !has_watchdog {
        description = description
            .with(FieldId::LongPolls, Accuracy::unavailable("requires the watchdog"))
            .with(FieldId::AwaitPoint, Accuracy::unavailable(NO_AWAIT_POINTS));
    }
    description
}

fn figures(view: &TaskView<'_>, metas: &mut Metas, now: u64) -> TaskStats {
    let reading = view.reading;
    TaskStats {
        key: view.key(),
        meta: metas.of(view),
        state: reading.state,
        since_ns: reading.since,
        // For a task that changed its state while the tasks were read, the values are as of that
        // change.
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

/// A stage is a literal of the program, so nothing but itself can stand for it.
fn printable(stage: &'static str) -> &'static str {
    if stage.contains(is_control) { "(contains control characters)" } else { stage }
}

/// Gathers the distributions that somebody wants to see.
struct Wanted {
    task: Option<u64>,
    of_task: Option<Distributions>,
    groups: bool,
    /// By the address of the group's name, of which there is one only.
    of_groups: HashMap<*const u8, (Arc<str>, Distributions)>,
}

impl Wanted {
    fn new(subscription: &Subscription) -> Self {
        let (task, groups) = (subscription.task, subscription.groups);
        Wanted { task, of_task: None, groups, of_groups: HashMap::new() }
    }

    fn take(&mut self, view: &TaskView<'_>, task: &TaskStats) {
        let is_wanted = self.task == Some(task.key);
        if !is_wanted && !self.groups {
            return;
        }
        let mine = Distributions { poll_times: view.poll_times(), delays: view.delays() };
        if self.groups {
            let group = &task.meta.group;
            let (_, sum) = self
                .of_groups
                .entry(group.as_ptr())
                .or_insert_with(|| (Arc::clone(group), Distributions::default()));
            sum.poll_times.merge(&mine.poll_times);
            sum.delays.merge(&mine.delays);
        }
        if is_wanted {
            self.of_task = Some(mine);
        }
    }

    fn into_vec(self) -> Vec<(Subject, Distributions)> {
        let task = self.task.zip(self.of_task).map(|(key, of_task)| (Subject::Task(key), of_task));
        let groups = self.of_groups.into_values();
        let mut groups: Vec<_> = groups.map(|(name, sum)| (Subject::Group(name), sum)).collect();
        groups.sort_unstable_by(|(a, _), (b, _)| match (a, b) {
            (Subject::Group(a), Subject::Group(b)) => a.cmp(b),
            _ => std::cmp::Ordering::Equal,
        });
        task.into_iter().chain(groups).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_that_began_while_the_snapshot_was_taken_keeps_its_start() {
        let registry = Registry::leak();
        let now = registry.now();
        let _task = registry.instrument("late", async {});
        let mut metas = Metas::default();
        registry.scan(now, |view| {
            let since_ns = view.reading.since;
            assert!(since_ns > now, "made after the time of the snapshot");
            let row = figures(&view, &mut metas, now);
            assert_eq!((row.since_ns, row.known_ns), (since_ns, since_ns));
            assert_eq!(row.lasts_ns(now), 0);
        });
        assert_eq!(registry.live(), 1);
    }
}
