//! A [`Source`] that samples a program with console-subscriber.

use std::{collections::VecDeque, io, sync::Arc, thread};

use tokio::{runtime::Builder, sync::oneshot, task::LocalSet};

use super::{
    Address,
    client::{self, Client, ClientState, Clock},
    connection::ConnectionState,
    state::{EndedPoll, HarmlessPoll, Program, is_worker},
};
use crate::{
    snapshot::{
        Accuracy, Cause, Description, DistributionKey, FieldId, LongPoll, Resources, RuntimeStats,
        State, Subscription, Target, TargetId, TaskKind, TaskStats,
    },
    source::Source,
};

/// The reason for unavailable fields.
const NOT_TRANSMITTED: &str = "not available over console-subscriber";

/// Why the cause of a long poll is unknown.
const CAUSE: &str =
    "console-subscriber does not distinguish computing, a blocking call and waiting for a CPU";

/// Why there are no stacks and no causes.
const NO_CAUSE: &str = "not available over console-subscriber, which does not distinguish computing, a \
                        blocking call and waiting for a CPU";

/// Why the cause of the last long poll of a task is unknown.
const LAST_POLL: &str = "the task ended in it or soon after; a panic, whose message takes time to \
                         print, is not reported over console-subscriber";

/// The reason why a program is connected and has no tasks.
const NO_TASKS: &str = "connected, but the program has reported no task: its filter has to let \
                        tokio=trace and runtime=trace pass to the console layer, which has to be part \
                        of the global subscriber, and Tokio has to be built with its feature `tracing` \
                        and with tokio_unstable";

/// A closure that is queued for this long waits for a thread of the blocking pool: below its limit,
/// the pool starts one at once.
const QUEUED_NS: u64 = 500_000_000;

/// The waits that are not among the resources.
const UNREPORTED_WAITS: &str = "console-subscriber reports waits for locks, semaphores, barriers, \
                                oneshot channels and space in bounded channels, and for timers only \
                                with some versions of Tokio; those for messages, I/O, a Notify or a \
                                JoinHandle are not reported";

/// The reason why there are no workloads and no hog.
const ONLY_IN_THE_LAB: &str = "only the lab has workloads and a hog";

/// The fields that console-subscriber transmits, with their accuracy.
pub fn describe(name: impl Into<Arc<str>>) -> Description {
    let not_transmitted = [
        FieldId::Machine,
        FieldId::AwaitPoint,
        FieldId::Flavor,
        FieldId::AliveTasks,
        FieldId::InjectionQueue,
        FieldId::IdleBlockingThreads,
        FieldId::BudgetForcedYields,
        FieldId::RemoteSchedules,
        FieldId::Workers,
        FieldId::Panics,
        FieldId::Stage,
        FieldId::GroupPollP99,
        FieldId::GroupDelayP99,
    ];
    let description = Description::new(name)
        .with(FieldId::Lab, Accuracy::unavailable(ONLY_IN_THE_LAB))
        .with(FieldId::LiveWakers, Accuracy::Derived)
        .with(
            FieldId::BlockingThreads,
            Accuracy::lower_bound("only threads that run a closure are reported"),
        )
        .with(FieldId::BlockingQueue, Accuracy::Derived)
        .with(FieldId::Resources, Accuracy::lower_bound(UNREPORTED_WAITS))
        .with_missing(
            FieldId::LiveWakers,
            "counted only for spawned tasks, from their first poll on",
        )
        .with(
            FieldId::MaxPoll,
            Accuracy::lower_bound(
                "console-subscriber reports the last poll of each update and the sum of the others, and the \
                 histograms of some tasks",
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
    description.without(not_transmitted, NOT_TRANSMITTED).without([FieldId::LongPolls], NO_CAUSE)
}

/// Watches a program with console-subscriber over a connection.
///
/// The connections of all targets share a thread; a sample never waits for a target.
pub struct AttachSource {
    id: TargetId,
    client: Arc<Client>,
    clock: Clock,
    /// The long polls that ended in the last minute, oldest first.
    long_polls: VecDeque<Arc<LongPoll>>,
    revision: u64,
    epoch: u32,
    latest: Latest,
    /// The connections end when the last source is dropped.
    _connections: Arc<oneshot::Sender<()>>,
}

/// Starts to connect to the programs at these addresses. Returns one source for each, in order.
///
/// # Errors
/// If the client's runtime or thread cannot be started. A program that does not answer is not an
/// error: the client tries again until the sources are dropped.
pub fn connect(addresses: &[Address]) -> io::Result<Vec<AttachSource>> {
    let clock = Clock::start();
    let (stop, stopped) = oneshot::channel::<()>();
    let stop = Arc::new(stop);
    let mut sources = Vec::new();
    let mut endpoints = Vec::new();
    for (address, id) in addresses.iter().zip((0..).map(TargetId)) {
        let client = Arc::new(Client::new(Program::new(&address.to_string()), clock));
        endpoints.push((Arc::clone(&client), address.endpoint().map_err(io::Error::other)?));
        sources.push(AttachSource {
            id,
            client,
            clock,
            long_polls: VecDeque::new(),
            revision: 0,
            epoch: 0,
            latest: Latest::default(),
            _connections: Arc::clone(&stop),
        });
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("asynctop-attach".to_owned()).spawn(move || {
        let local = LocalSet::new();
        for (client, endpoint) in endpoints {
            local.spawn_local(client::run(client, endpoint));
        }
        runtime.block_on(local.run_until(async {
            // Fails when the last sender is dropped.
            let _ = stopped.await;
        }));
        drop(local);
        // Does not wait for a pending DNS lookup.
        runtime.shutdown_background();
    })?;
    Ok(sources)
}

/// The sources of [`connect`], for the collector.
///
/// # Errors
/// If the client cannot be started.
pub fn open(addresses: &[Address]) -> Result<Vec<Box<dyn Source>>, AttachError> {
    let sources = connect(addresses).map_err(AttachError)?.into_iter();
    Ok(sources.map(|source| Box::new(source) as Box<dyn Source>).collect())
}

/// The client cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start the client: {0}; try a higher `ulimit -n`")]
pub struct AttachError(#[source] io::Error);

impl AttachSource {
    /// Requests the details of this task instead of the previous one.
    fn request_details(&self, task: Option<u64>) {
        let id = task.and_then(|key| self.client.lock().program.protocol_id(key));
        self.client.requested_details.send_if_modified(|requested| {
            let changed = *requested != id;
            *requested = id;
            changed
        });
    }
}

impl Source for AttachSource {
    fn sample(&mut self, subscription: &Subscription) -> Target {
        let task = subscription.task.filter(|key| key.target == self.id).map(|key| key.id);
        self.request_details(task);
        let now = self.clock.now();
        let ClientState { program, connection, details } = &mut *self.client.lock();
        let new = program.take_long_polls();
        let mut sample = sample(program, connection, now);
        let update = (program.process(), program.updates());
        if self.latest.update != update {
            self.revision += 1;
            self.latest = Latest::new(program, update, &sample, self.revision);
        }
        sample.resources = Some(Arc::clone(&self.latest.resources));
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
        while self.long_polls.len() > Target::MAX_LONG_POLLS
            || self.long_polls.front().is_some_and(is_old)
        {
            self.long_polls.pop_front();
        }
        sample.long_polls = self.long_polls.iter().cloned().collect();
        sample.long_polls.extend(self.latest.harmless_polls.iter().cloned());
        if let Some(key) = task
            && let Some(details) = program.protocol_id(key).and_then(|id| details.get(&id))
        {
            sample.distributions.push((DistributionKey::Task(key), details.clone()));
        }
        sample
    }

    fn on_change(&mut self, request_sample: Box<dyn Fn() + Send + Sync>) {
        self.client.set_listener(request_sample);
    }
}

/// A sample of a program that connected at `now`, in ns of the local clock.
pub fn sample_connected(program: &Program, now: i64) -> Target {
    let mut connection = ConnectionState::new(now);
    connection.update_received(now);
    let resources = Some(program.all_resources().into());
    Target { resources, ..sample(program, &connection, now) }
}

/// A sample without long polls and resources.
fn sample(program: &Program, connection: &ConnectionState, now: i64) -> Target {
    let tasks: Vec<_> = program.tasks().collect();
    let alive = tasks.iter().filter(|task| !task.state.is_done());
    let closures = alive.clone().filter(|task| task.meta.kind == TaskKind::Blocking);
    let is_queued = |task: &&TaskStats| {
        task.state == State::Scheduled && task.time_in_state_ns(u64::MAX) >= QUEUED_NS
    };
    let is_running = |task: &&TaskStats| task.state == State::Polling && !is_worker(&task.meta);
    let mut losses = program.losses();
    losses.nothing_reported = program.has_no_tasks().then(|| NO_TASKS.into());
    let mut description = describe(Arc::clone(program.name()));
    description.period_ns = connection.period_ns();
    Target {
        epoch: program.process(),
        connection: connection.status(now),
        known_until_ns: program.last_update().unsigned_abs(),
        losses,
        runtime: RuntimeStats {
            uptime_ns: program.uptime_ns(),
            blocking_queue: closures.clone().filter(is_queued).count() as u64,
            blocking_threads: closures.filter(is_running).count() as u64,
            measured_tasks: alive.count() as u64,
            ..RuntimeStats::default()
        },
        tasks,
        delays: program.delays().clone(),
        ..Target::empty(description.into(), now.unsigned_abs())
    }
}

/// The parts of a sample that change only with an update.
#[derive(Default)]
struct Latest {
    /// The process, and the number of the update.
    update: (u32, u64),
    resources: Arc<Resources>,
    harmless_polls: Vec<Arc<LongPoll>>,
}

impl Latest {
    fn new(program: &Program, update: (u32, u64), sample: &Target, revision: u64) -> Latest {
        let harmless = |poll: &HarmlessPoll| {
            let length_ns = sample.task(poll.task)?.time_in_state_ns(sample.taken_ns);
            Some(Arc::new(LongPoll { revision, ..harmless(poll, length_ns) }))
        };
        Latest {
            update,
            resources: program.all_resources().into(),
            harmless_polls: program.harmless_polls().iter().filter_map(harmless).collect(),
        }
    }
}

/// A running poll that does not block its worker itself.
fn harmless(poll: &HarmlessPoll, length_ns: u64) -> LongPoll {
    LongPoll {
        is_ended: false,
        cause: Cause::Unknown(poll.reason.into()),
        no_stack: Some(NOT_TRANSMITTED.into()),
        net_ns: Some(0),
        ..LongPoll::computing(poll.task, poll.began_ns, length_ns)
    }
}

/// A long poll without stack and CPU time.
fn long_poll(poll: EndedPoll, revision: u64) -> LongPoll {
    LongPoll {
        revision,
        is_lower_bound: poll.is_lower_bound,
        cause: Cause::Unknown(if poll.ends_task { LAST_POLL } else { CAUSE }.into()),
        net_ns: None,
        no_stack: Some(NOT_TRANSMITTED.into()),
        ..LongPoll::computing(poll.task, poll.began_ns, poll.length_ns)
    }
}
