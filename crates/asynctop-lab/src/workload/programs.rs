//! Programs of a cooperative desktop: each has a queue of events, handles one and yields. The mouse
//! is a thread outside of the runtime, as a device is.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender, error::TrySendError},
    task::yield_now,
};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    compute::compute,
    kind::{micros, millis, one_each, secs},
};
use crate::{
    gauge::{Count, GoingOn, Latency},
    spawner::Spawner,
};

/// So many events wait for one program at most; more are lost.
const QUEUE: usize = 256;

pub(super) static KIND: Kind = Kind {
    name: "programs",
    about: "programs of a cooperative desktop: each handles an event and yields",
    unit: None,
    params: &[&MOUSE, &HANDLE, &REDRAW, &REDRAW_EVERY, &STRIP],
    tasks: one_each,
    open,
};

static MOUSE: Param = Param {
    name: "mouse",
    about: "the time between two mouse events, which the programs receive in turn",
    allows: Allows::Duration { default: millis(10), least: millis(1), most: secs(60) },
};

static HANDLE: Param = Param {
    name: "handle",
    about: "how long a program computes for an event",
    allows: Allows::Duration { default: micros(100), least: micros(0), most: secs(60) },
};

static REDRAW: Param = Param {
    name: "redraw",
    about: "how long a program computes to redraw its window",
    allows: Allows::Duration { default: micros(0), least: micros(0), most: secs(60) },
};

static REDRAW_EVERY: Param = Param {
    name: "redraw_every",
    about: "the number of events after which it redraws its window",
    allows: Allows::Count { default: 100, least: 1, most: 1_000_000 },
};

static STRIP: Param = Param {
    name: "strip",
    about: "how long it redraws before it yields once; 0s redraws all at once",
    allows: Allows::Duration { default: micros(0), least: micros(0), most: secs(60) },
};

#[derive(Clone, Copy)]
struct Manners {
    handle: Duration,
    redraw: Duration,
    redraw_every: u64,
    strip: Duration,
}

/// The queues of all programs. Only the mouse and the lab's control hold this lock.
type Queues = Mutex<Vec<Sender<GoingOn>>>;

struct Programs {
    spawner: Spawner,
    manners: Manners,
    queues: Arc<Queues>,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let queues = Arc::new(Queues::default());
    let mouse = Mouse {
        queues: Arc::downgrade(&queues),
        period: params.duration(&MOUSE),
        latency: gauges.latency("input latency"),
        lost: gauges.count("events lost"),
    };
    thread::Builder::new().name("asynctop-mouse".into()).spawn(move || mouse.run())?;
    let manners = Manners {
        handle: params.duration(&HANDLE),
        redraw: params.duration(&REDRAW),
        redraw_every: params.number(&REDRAW_EVERY),
        strip: params.duration(&STRIP),
    };
    Ok(Box::new(Programs { spawner, manners, queues }))
}

impl Workload for Programs {
    fn start(&mut self, number: usize) -> Unit {
        let (queue, events) = mpsc::channel(QUEUE);
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).push(queue);
        self.spawner.spawn(&format!("program-{number}"), program(events, self.manners)).1.into()
    }
}

struct Mouse {
    queues: Weak<Queues>,
    period: Duration,
    latency: Latency,
    lost: Count,
}

impl Mouse {
    /// Moves until the workload is gone.
    fn run(&self) {
        for turn in 0.. {
            thread::sleep(self.period);
            let Some(queues) = self.queues.upgrade() else { return };
            let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.retain(|queue| !queue.is_closed());
            if queues.is_empty() {
                continue;
            }
            let under_the_pointer = turn % queues.len();
            // Latency begins with the event, not when somebody looks at it.
            let event = self.latency.begin();
            if let Err(TrySendError::Full(_)) = queues[under_the_pointer].try_send(event) {
                self.lost.add(1);
            }
        }
    }
}

async fn program(mut events: Receiver<GoingOn>, manners: Manners) {
    for handled in 1.. {
        stage("waits for an event");
        let Some(event) = events.recv().await else { break };
        stage("handles an event");
        compute(manners.handle);
        event.end();
        if !manners.redraw.is_zero() && handled % manners.redraw_every == 0 {
            redraw(manners).await;
        }
    }
    stage("no more events");
}

async fn redraw(manners: Manners) {
    if manners.strip.is_zero() {
        stage("redraws its window at once");
        compute(manners.redraw);
        return;
    }
    stage("redraws its window in strips");
    let mut left = manners.redraw;
    while !left.is_zero() {
        compute(left.min(manners.strip));
        left = left.saturating_sub(manners.strip);
        yield_now().await;
    }
}
