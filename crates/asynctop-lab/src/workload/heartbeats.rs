//! Timers: tasks that do almost nothing, but on time. They show how late a worker is.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "heartbeats",
    about: "tasks that wake up on a timer, and that show how late they are",
    unit: None,
    params: &[&PERIOD],
    tasks: one_each,
    open,
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two beats",
    allows: Allows::Duration { default: millis(10), least: millis(1), most: secs(3600) },
};

struct Heartbeats {
    spawner: Spawner,
    period: Duration,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let period = opening.params.duration(&PERIOD);
    Ok(Box::new(Heartbeats { spawner: opening.spawner, period }))
}

impl Workload for Heartbeats {
    fn start(&mut self, number: usize) -> Unit {
        self.spawner.spawn(&format!("heartbeat-{number}"), heartbeat(self.period)).1.into()
    }
}

async fn heartbeat(period: Duration) {
    stage("waits for the timer");
    let mut ticks = interval(period);
    // Beats that a hog swallowed do not come later all at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
    }
}
