//! A task that wakes two others and then blocks its worker. The one woken last is in the worker's
//! LIFO slot, from which no other worker steals; the one before it has moved to the queue.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    time::sleep,
};

use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    compute::compute,
    kind::{micros, millis, secs},
};
use crate::{
    gauge::{GoingOn, Latency},
    spawner::Spawner,
};

pub(super) static KIND: Kind = Kind {
    name: "lifo",
    about: "tasks that wake two others, one after the other, and then block the worker",
    unit: None,
    params: &[&HOLD, &PAUSE],
    tasks: |count: usize, _: &Params| count.saturating_mul(3),
    open,
};

static HOLD: Param = Param {
    name: "hold",
    about: "how long it blocks the worker after it has woken them",
    allows: Allows::Duration { default: millis(80), least: micros(0), most: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause before it does so again",
    allows: Allows::Duration { default: millis(100), least: millis(1), most: secs(60) },
};

struct Lifo {
    spawner: Spawner,
    hold: Duration,
    pause: Duration,
    /// How long those who were woken first, and those who were woken last, waited.
    waits: [Latency; 2],
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let (hold, pause) = (params.duration(&HOLD), params.duration(&PAUSE));
    let waits = [gauges.latency("woken first waited"), gauges.latency("woken last waited")];
    Ok(Box::new(Lifo { spawner, hold, pause, waits }))
}

impl Workload for Lifo {
    fn start(&mut self, number: usize) -> Unit {
        let partner = |name: &str| {
            let (wake, woken) = mpsc::channel(1);
            self.spawner.spawn(&format!("{name}-{number}"), answer(woken));
            wake
        };
        let partners = [partner("woken-first"), partner("woken-last")];
        let task = wake_and_hold(partners, self.waits.clone(), self.hold, self.pause);
        self.spawner.spawn(&format!("waker-{number}"), task).1.into()
    }
}

async fn wake_and_hold(
    partners: [Sender<GoingOn>; 2],
    waits: [Latency; 2],
    hold: Duration,
    pause: Duration,
) {
    loop {
        for (partner, wait) in partners.iter().zip(&waits) {
            // A partner that has not taken the last message is awake already.
            let _ = partner.try_send(wait.begin());
        }
        stage("has woken both, blocks its worker");
        compute(hold);
        stage("rests");
        sleep(pause).await;
    }
}

/// Ends with the task that wakes it.
async fn answer(mut woken: Receiver<GoingOn>) {
    stage("waits to be woken");
    while let Some(wait) = woken.recv().await {
        wait.end();
    }
    stage("its waker has ended");
}
