//! Timers: tasks that do almost nothing, but at a fixed rate. They show how late a worker is.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "heartbeats",
    about: "tasks that wake up on a timer, and that show how late they are",
    unit: None,
    params: &[&PERIOD],
    max_tasks: one_each,
    open,
};

static PERIOD: Param = Param {
    name: "period",
    about: "the time between two beats",
    param_type: ParamType::Duration { default: millis(10), min: millis(1), max: secs(3600) },
};

struct Heartbeats {
    spawner: Spawner,
    period: Duration,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let period = context.params.duration(&PERIOD);
    Ok(Box::new(Heartbeats { spawner: context.spawner, period }))
}

impl Workload for Heartbeats {
    fn start(&mut self, number: usize) -> Instance {
        self.spawner.spawn(&format!("heartbeat-{number}"), heartbeat(self.period)).into()
    }
}

async fn heartbeat(period: Duration) {
    stage("waits for the timer");
    let mut ticks = interval(period);
    // Ticks missed during a hog do not fire all at once after it.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
    }
}
