//! A task that wakes two others and then blocks its worker. The one woken last is in the worker's
//! LIFO slot, from which no other worker steals; the one before has moved to the queue.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::sleep,
};

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    compute::compute,
    kind::{micros, millis, secs},
};
use crate::{
    metrics::{Latency, LatencyTimer},
    spawner::Spawner,
};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "lifo",
    about: "tasks that wake two others, one after the other, and then block the worker",
    unit: None,
    params: &[&HOLD, &PAUSE],
    max_tasks: |count: usize, _: &Params| count.saturating_mul(3),
    open,
};

static HOLD: Param = Param {
    name: "hold",
    about: "how long it blocks the worker after it has woken them",
    param_type: ParamType::Duration { default: millis(80), min: micros(0), max: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause before it wakes them again",
    param_type: ParamType::Duration { default: millis(100), min: millis(1), max: secs(60) },
};

struct Lifo {
    spawner: Spawner,
    hold: Duration,
    pause: Duration,
    /// Delays of the tasks woken first and last.
    delays: [Latency; 2],
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (hold, pause) = (params.duration(&HOLD), params.duration(&PAUSE));
    let delays = [metrics.latency("woken first waited"), metrics.latency("woken last waited")];
    Ok(Box::new(Lifo { spawner, hold, pause, delays }))
}

impl Workload for Lifo {
    fn start(&mut self, number: usize) -> Instance {
        let partner = |name: &str| {
            let (wake, woken) = mpsc::channel(1);
            self.spawner.spawn(&format!("{name}-{number}"), receive(woken));
            wake
        };
        let partners = [partner("woken-first"), partner("woken-last")];
        let task = wake_and_block(partners, self.delays.clone(), self.hold, self.pause);
        self.spawner.spawn(&format!("waker-{number}"), task).into()
    }
}

async fn wake_and_block(
    partners: [Sender<LatencyTimer>; 2],
    delays: [Latency; 2],
    hold: Duration,
    pause: Duration,
) {
    loop {
        for (partner, delay) in partners.iter().zip(&delays) {
            // A partner with a pending message is already awake.
            let _ = partner.try_send(delay.start());
        }
        stage("has woken both, blocks its worker");
        compute(hold);
        stage("rests");
        sleep(pause).await;
    }
}

/// Ends with the task that wakes it.
async fn receive(mut woken: Receiver<LatencyTimer>) {
    stage("waits to be woken");
    while let Some(delay) = woken.recv().await {
        delay.finish();
    }
    stage("its waker has ended");
}
