//! The source of a connection: its state as a [`Target`].

use std::{collections::VecDeque, io, sync::Arc, thread};

use tokio::{runtime::Builder, sync::oneshot, task::LocalSet};

use super::{
    Address,
    link::Link,
    state::{EndedPoll, Program},
    wire::{self, Clock, Known, Shared},
};
use crate::{
    snapshot::{
        Accuracy, Cause, Description, FieldId, LongPoll, Resources, RuntimeStats, Subject,
        Subscription, Target, TargetId,
    },
    source::Source,
};

/// Why figures of the runtime are missing.
const NOT_ON_THE_WIRE: &str = "not available over console-subscriber";

/// Why there are no workloads and no hog.
const NO_LAB: &str = "only the lab has workloads and a hog";

/// What console-subscriber transmits.
pub fn describe(name: impl Into<Arc<str>>) -> Description {
    let not_transmitted = [
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
        .with(FieldId::Lab, Accuracy::unavailable(NO_LAB))
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

/// Watches a program with console-subscriber over a connection.
///
/// The connections of all targets share a thread; a sample never waits for a target.
pub struct AttachSource {
    id: TargetId,
    shared: Arc<Shared>,
    clock: Clock,
    /// The long polls that ended in the last minute, oldest first.
    long_polls: VecDeque<Arc<LongPoll>>,
    revision: u64,
    epoch: u32,
    /// The connections end with the last of their sources.
    _connections: Arc<oneshot::Sender<()>>,
}

/// Begins to connect to programs at these addresses; one source each, in their order.
///
/// # Errors
/// If no thread can be started. A target that does not answer is not an error: its connection is
/// retried until the sources are dropped.
pub fn connect(addresses: &[Address]) -> io::Result<Vec<AttachSource>> {
    let clock = Clock::start();
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Arc::new(stop);
    let mut sources = Vec::new();
    let mut endpoints = Vec::new();
    for (address, id) in addresses.iter().zip((0..).map(TargetId)) {
        let shared = Arc::new(Shared::new(Program::new(&address.to_string()), clock));
        endpoints.push((Arc::clone(&shared), address.endpoint().map_err(io::Error::other)?));
        sources.push(AttachSource {
            id,
            shared,
            clock,
            long_polls: VecDeque::new(),
            revision: 0,
            epoch: 0,
            _connections: Arc::clone(&stop),
        });
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("asynctop-attach".to_owned()).spawn(move || {
        let local = LocalSet::new();
        for (shared, endpoint) in endpoints {
            local.spawn_local(wire::watch(shared, endpoint));
        }
        runtime.block_on(local.run_until(async {
            // Fails when the last sender is dropped.
            let _ = stopped.await;
        }));
        drop(local);
        // Does not wait for a host name that is being looked up.
        runtime.shutdown_background();
    })?;
    Ok(sources)
}

/// The sources of [`connect`], for the collector.
///
/// # Errors
/// If the client cannot be started, as a sentence.
pub fn open(addresses: &[Address]) -> Result<Vec<Box<dyn Source>>, AttachError> {
    let sources = connect(addresses).map_err(AttachError)?.into_iter();
    Ok(sources.map(|source| Box::new(source) as Box<dyn Source>).collect())
}

/// Why the client cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the client: {0}; try a higher `ulimit -n`")]
pub struct AttachError(#[source] io::Error);

impl AttachSource {
    /// Requests the details of this task and of no other.
    fn request_details(&self, task: Option<u64>) {
        let id = task.and_then(|key| self.shared.lock().target.wire_id(key));
        self.shared.wanted.send_if_modified(|wanted| {
            let changed = *wanted != id;
            *wanted = id;
            changed
        });
    }
}

impl Source for AttachSource {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        let task = subscription.task.filter(|key| key.target == self.id).map(|key| key.id);
        self.request_details(task);
        let now = self.clock.now();
        let Known { target, link, details } = &mut *self.shared.lock();
        let new = target.take_long_polls();
        let mut sample = sample(target, link, now, subscription.resources);
        sample.id = self.id;
        if self.epoch != sample.epoch {
            self.long_polls.clear();
            self.epoch = sample.epoch;
        }
        for poll in new {
            self.revision += 1;
            self.long_polls.push_back(Arc::new(long_poll(poll, self.revision)));
        }
        let is_old = |poll: &Arc<LongPoll>| {
            poll.began_ns.saturating_add(poll.length_ns)
                < sample.taken_ns.saturating_sub(Target::KEPT_NS)
        };
        while self.long_polls.len() > Target::LONG_POLLS
            || self.long_polls.front().is_some_and(is_old)
        {
            self.long_polls.pop_front();
        }
        sample.long_polls = self.long_polls.iter().cloned().collect();
        if let (Some(key), Some((id, details))) = (task, details)
            && target.wire_id(key) == Some(*id)
        {
            sample.distributions.push((Subject::Task(key), details.clone()));
        }
        sample
    }

    fn on_change(&mut self, request_sample: Box<dyn Fn() + Send + Sync>) {
        self.shared.set_listener(request_sample);
    }
}

/// A sample of a target as if it were connected, at a moment of our clock.
pub fn picture(target: &Program, now: i64) -> Target {
    let mut link = Link::default();
    link.connected(now);
    sample(target, &link, now, true)
}

fn sample(target: &Program, link: &Link, now: i64, with_resources: bool) -> Target {
    let tasks: Vec<_> = target.tasks(link.until(now)).collect();
    let alive = tasks.iter().filter(|task| !task.state.is_done());
    let mut description = describe(Arc::clone(target.name()));
    description.period_ns = link.period_ns();
    Target {
        epoch: target.process(),
        connection: link.figures(now),
        known_until_ns: target.counted().unsigned_abs(),
        losses: target.losses(),
        runtime: RuntimeStats {
            uptime_ns: alive.clone().map(|task| task.lifetime_ns).max().unwrap_or(0),
            measured_tasks: alive.count() as u64,
            ..RuntimeStats::default()
        },
        tasks,
        delays: target.delays().clone(),
        resources: with_resources.then(|| {
            let (resources, async_ops) = (target.resources(), target.async_ops());
            Resources { resources: resources.collect(), async_ops: async_ops.collect() }.into()
        }),
        ..Target::empty(description.into(), now.unsigned_abs())
    }
}

/// A long poll, of which only the length is known.
fn long_poll(poll: EndedPoll, revision: u64) -> LongPoll {
    LongPoll {
        revision,
        is_least: poll.is_least,
        cause: Cause::Unknown(NOT_ON_THE_WIRE.into()),
        net_ns: None,
        no_stack: Some(NOT_ON_THE_WIRE.into()),
        ..LongPoll::computing(poll.task, poll.began_ns, poll.length_ns)
    }
}
