//! Programs of a cooperative desktop: each has a queue of events, handles one and yields. The mouse
//! is a thread outside the runtime, like a device.

use std::{
    io,
    sync::{Arc, Mutex, Weak},
    thread,
    time::Duration,
};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    task::yield_now,
};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    compute::compute,
    kind::{micros, millis, one_each, secs},
};
use crate::{
    lock::lock,
    metrics::{Count, Latency, LatencyTimer},
    spawner::Spawner,
};

/// Maximum number of queued events per program; more are lost.
const QUEUE_CAPACITY: usize = 256;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "programs",
    about: "programs of a cooperative desktop: each handles an event and yields",
    unit: None,
    params: &[&MOUSE, &HANDLE, &REDRAW, &REDRAW_EVERY, &STRIP],
    max_tasks: one_each,
    open,
};

static MOUSE: Param = Param {
    name: "mouse",
    about: "the time between two mouse events, which the programs receive in turn",
    param_type: ParamType::Duration { default: millis(10), min: millis(1), max: secs(60) },
};

static HANDLE: Param = Param {
    name: "handle",
    about: "how long a program computes for an event",
    param_type: ParamType::Duration { default: micros(100), min: micros(0), max: secs(60) },
};

static REDRAW: Param = Param {
    name: "redraw",
    about: "how long a program computes to redraw its window",
    param_type: ParamType::Duration { default: micros(0), min: micros(0), max: secs(60) },
};

static REDRAW_EVERY: Param = Param {
    name: "redraw_every",
    about: "the number of events after which it redraws its window",
    param_type: ParamType::Count { default: 100, min: 1, max: 1_000_000 },
};

static STRIP: Param = Param {
    name: "strip",
    about: "how long it redraws before it yields once; 0s redraws all at once",
    param_type: ParamType::Duration { default: micros(0), min: micros(0), max: secs(60) },
};

#[derive(Clone, Copy)]
struct Settings {
    handle: Duration,
    redraw: Duration,
    redraw_every: u64,
    strip: Duration,
}

/// The queues of all programs. Only the mouse and the supervisor hold this lock.
type Queues = Mutex<Vec<Sender<LatencyTimer>>>;

struct Programs {
    spawner: Spawner,
    settings: Settings,
    queues: Arc<Queues>,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let queues = Arc::new(Queues::default());
    let mouse = Mouse {
        queues: Arc::downgrade(&queues),
        period: params.duration(&MOUSE),
        latency: metrics.latency("input latency"),
        lost: metrics.count("events lost"),
    };
    thread::Builder::new().name("asynctop-mouse".into()).spawn(move || mouse.run())?;
    let settings = Settings {
        handle: params.duration(&HANDLE),
        redraw: params.duration(&REDRAW),
        redraw_every: params.number(&REDRAW_EVERY),
        strip: params.duration(&STRIP),
    };
    Ok(Box::new(Programs { spawner, settings, queues }))
}

impl Workload for Programs {
    fn start(&mut self, number: usize) -> Instance {
        let (queue, events) = mpsc::channel(QUEUE_CAPACITY);
        lock(&self.queues).push(queue);
        self.spawner.spawn(&format!("program-{number}"), program(events, self.settings)).into()
    }
}

struct Mouse {
    queues: Weak<Queues>,
    period: Duration,
    latency: Latency,
    lost: Count,
}

impl Mouse {
    /// Sends events to the programs in turn, until the workload is dropped.
    fn run(&self) {
        for event in 0.. {
            thread::sleep(self.period);
            let Some(queues) = self.queues.upgrade() else { return };
            let mut queues = lock(&queues);
            queues.retain(|queue| !queue.is_closed());
            if queues.is_empty() {
                continue;
            }
            let queue = &queues[event % queues.len()];
            // The latency starts with the event, not when a program receives it.
            if let Err(TrySendError::Full(_)) = queue.try_send(self.latency.start()) {
                self.lost.add(1);
            }
        }
    }
}

async fn program(mut events: Receiver<LatencyTimer>, settings: Settings) {
    for handled in 1.. {
        stage("waits for an event");
        let Some(event) = events.recv().await else { break };
        stage("handles an event");
        compute(settings.handle);
        event.finish();
        if !settings.redraw.is_zero() && handled % settings.redraw_every == 0 {
            redraw(settings).await;
        }
    }
    stage("its mouse has stopped");
}

async fn redraw(settings: Settings) {
    if settings.strip.is_zero() {
        stage("redraws its window all at once");
        compute(settings.redraw);
        return;
    }
    stage("redraws its window in strips");
    let mut left = settings.redraw;
    while !left.is_zero() {
        compute(left.min(settings.strip));
        left = left.saturating_sub(settings.strip);
        yield_now().await;
    }
}
