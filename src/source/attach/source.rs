//! The source: what the connections know, as snapshots.

use std::{
    io,
    sync::{Arc, OnceLock},
    thread,
};

use tokio::{runtime::Builder, sync::oneshot, task::LocalSet};

use super::{
    Address,
    link::Link,
    state::{EndedPoll, Program},
    wire::{self, Clock, Known, Shared},
};
use crate::{
    Histogram,
    model::{
        Accuracy, Description, Distributions, FieldId, Resources, RuntimeStats, Subject,
        Subscription, Target, TargetFigures, TaskStats,
    },
    source::Source,
    text::sanitize,
    watch::{Cause, Evidence},
};

/// Why figures of the runtime are missing.
const NOT_ON_THE_WIRE: &str = "not available over console-subscriber";

/// What console-subscriber transmits.
pub fn describe(name: impl Into<Arc<str>>) -> Description {
    let not_transmitted = [
        FieldId::Lab,
        FieldId::CpuSupply,
        FieldId::LongPolls,
        FieldId::AwaitPoint,
        FieldId::Flavor,
        FieldId::AliveTasks,
        FieldId::InjectionQueue,
        FieldId::BlockingThreads,
        FieldId::IdleBlockingThreads,
        FieldId::BlockingQueue,
        FieldId::BudgetForcedYields,
        FieldId::RemoteSchedules,
        FieldId::Workers,
        FieldId::Panics,
        FieldId::GroupPollP99,
        FieldId::GroupDelayP99,
    ];
    let description = Description::new(name)
        .with(FieldId::LiveWakers, Accuracy::Derived)
        .with_missing(
            FieldId::LiveWakers,
            "counted only for spawned tasks, from their first poll on",
        )
        .with(
            FieldId::MaxPoll,
            Accuracy::lower_bound(
                "console-subscriber reports the last poll of each update and the sum of the others",
            ),
        )
        .with(
            FieldId::MaxDelay,
            Accuracy::lower_bound("console-subscriber reports only sums of scheduling delays"),
        )
        .with(
            FieldId::SchedulingDelay,
            Accuracy::estimated("from the mean scheduling delay of each task between two updates"),
        );
    description.without(not_transmitted, NOT_ON_THE_WIRE)
}

/// Watches programs with console-subscriber, each over a connection of its own.
///
/// Everything of it runs on a thread of its own; a snapshot never waits for a target.
pub struct AttachSource {
    name: Arc<str>,
    targets: Vec<Arc<Shared>>,
    clock: Clock,
    listener: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
    /// Ends the connections when it is dropped.
    _stop: oneshot::Sender<()>,
}

/// A handle to hear of changes.
#[derive(Clone)]
pub struct Changes(Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>);

impl Changes {
    /// Calls this whenever a connection has changed or details have come, and at the first
    /// update of a connection.
    /// It must not wait. Only the first one is called.
    pub fn tell(&self, listener: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(listener));
    }
}

impl AttachSource {
    /// Begins to connect to these targets.
    ///
    /// # Errors
    /// If the system has no thread to give. A target that does not answer is no error: it
    /// is shown as such, and tried again and again.
    pub fn start(addresses: &[Address]) -> io::Result<Self> {
        let clock = Clock::start();
        let listener = Arc::new(OnceLock::new());
        let name = match addresses {
            [one] => format!("attach:{one}"),
            several => format!("attach: {} targets", several.len()),
        };
        let mut targets = Vec::new();
        let mut connections = Vec::new();
        for (address, nth) in addresses.iter().zip(0..) {
            let endpoint = address.endpoint().map_err(io::Error::other)?;
            let target = Program::new(&address.to_string(), nth);
            let shared = Arc::new(Shared::new(target, clock, Arc::clone(&listener)));
            connections.push((Arc::clone(&shared), endpoint));
            targets.push(shared);
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("asynctop-attach".to_owned()).spawn(move || {
            let local = LocalSet::new();
            for (shared, endpoint) in connections {
                local.spawn_local(wire::watch(shared, endpoint));
            }
            runtime.block_on(local.run_until(async {
                let _ = stopped.await;
            }));
            drop(local);
            // Nobody waits for a name that is still being looked up.
            runtime.shutdown_background();
        })?;
        Ok(AttachSource { name: sanitize(&name).into(), targets, clock, listener, _stop: stop })
    }

    /// A handle to hear of changes.
    pub fn changes(&self) -> Changes {
        Changes(Arc::clone(&self.listener))
    }

    /// Asks for the details of the task that is looked at, and of no other.
    fn want(&self, task: Option<u64>) {
        for shared in &self.targets {
            let id = task.and_then(|key| shared.lock().target.wire_id(key));
            shared.wanted.send_if_modified(|wanted| {
                let changed = *wanted != id;
                *wanted = id;
                changed
            });
        }
    }
}

/// A snapshot in the making.
#[derive(Default)]
struct Looking {
    tasks: Vec<TaskStats>,
    targets: Vec<TargetFigures>,
    delays: Histogram,
    resources: Resources,
    distributions: Vec<(Subject, Distributions)>,
    evidence: Vec<Arc<Evidence>>,
    period_ns: u64,
}

/// A snapshot with all that is known of one target, at a moment of our clock, as if it
/// were connected: what [`AttachSource`] makes of it, without a connection.
pub fn picture(target: &Program, now: i64) -> Target {
    let mut link = Link::default();
    link.connected(now);
    let subscription = Subscription { resources: true, ..Subscription::default() };
    let mut looking = Looking::default();
    looking.at(target, &link, &None, now, &subscription);
    looking.into_snapshot(Arc::clone(target.name()), now)
}

impl Looking {
    fn at(
        &mut self,
        target: &Program,
        link: &Link,
        details: &Option<(u64, Distributions)>,
        now: i64,
        subscription: &Subscription,
    ) {
        let first = self.tasks.len();
        self.tasks.extend(target.tasks(link.until(now)));
        let living = self.tasks[first..].iter().filter(|task| !task.state.is_done());
        self.targets.push(TargetFigures {
            name: Arc::clone(target.name()),
            connection: link.figures(now),
            process: target.process(),
            keys: target.keys(),
            known_until_ns: target.counted().unsigned_abs(),
            tasks: living.count() as u64,
            losses: target.losses(),
        });
        self.delays.merge(target.delays());
        self.period_ns = self.period_ns.max(link.period_ns());
        if subscription.resources {
            self.resources.resources.extend(target.resources());
            self.resources.async_ops.extend(target.async_ops());
        }
        if let (Some(key), Some((id, details))) = (subscription.task, details)
            && target.wire_id(key) == Some(*id)
        {
            self.distributions.push((Subject::Task(key), details.clone()));
        }
    }

    fn into_snapshot(self, source: Arc<str>, now: i64) -> Target {
        let Looking { tasks, targets, delays, resources, distributions, evidence, period_ns } =
            self;
        let alive = tasks.iter().filter(|task| !task.state.is_done());
        let uptime_ns = alive.clone().map(|task| task.lifetime_ns).max().unwrap_or(0);
        // Of a single target, the next process is another program: nothing that was found in
        // one is true of the other. Several targets go on where one of them begins anew.
        let epoch = match &targets[..] {
            [one] => one.process.max(1),
            _ => 1,
        };
        let mut description = describe(source);
        description.period_ns = period_ns;
        Target {
            taken_ns: now.unsigned_abs(),
            description: description.into(),
            epoch,
            runtime: RuntimeStats {
                flavor: None,
                uptime_ns,
                alive_tasks: 0,
                measured_tasks: alive.count() as u64,
                global_queue: 0,
                blocking_threads: 0,
                idle_blocking_threads: 0,
                blocking_queue: 0,
                budget_forced_yields: 0,
                remote_schedules: 0,
            },
            workers: Vec::new(),
            timeline: None,
            tasks,
            delays,
            distributions,
            evidence,
            samples: Vec::new(),
            machine: None,
            await_point: None,
            targets,
            resources: Some(Arc::new(resources)),
            lab: None,
        }
    }
}

/// What is known of a long poll of a target: that it was, and how long.
fn evidence(poll: EndedPoll) -> Arc<Evidence> {
    Arc::new(Evidence {
        is_least: poll.is_least,
        cause: Cause::Unknown(NOT_ON_THE_WIRE.into()),
        own_ns: None,
        no_stack: Some(NOT_ON_THE_WIRE.into()),
        ..Evidence::computing(poll.task, poll.began_ns, poll.length_ns)
    })
}

impl Source for AttachSource {
    fn snapshot(&mut self, subscription: &Subscription) -> Target {
        self.want(subscription.task);
        let mut looking = Looking::default();
        let now = self.clock.now();
        for shared in &self.targets {
            let Known { target, link, details } = &mut *shared.lock();
            looking.evidence.extend(target.take_long_polls().into_iter().map(evidence));
            looking.at(target, link, details, now, subscription);
        }
        looking.into_snapshot(Arc::clone(&self.name), now)
    }
}
