//! Timers: tasks that do next to nothing, but on time. They show how late a worker is.

use std::time::Duration;

use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

use super::Workload;
use crate::{lab::spawner::Spawner, stage};

const PERIOD: Duration = Duration::from_millis(10);

pub(super) struct Heartbeats {
    spawner: Spawner,
}

impl Heartbeats {
    pub(super) fn new(spawner: Spawner) -> Self {
        Heartbeats { spawner }
    }
}

impl Workload for Heartbeats {
    fn start(&mut self, number: usize) -> AbortHandle {
        self.spawner.spawn(&format!("heartbeat-{number}"), heartbeat()).1
    }
}

async fn heartbeat() {
    stage("waits for the timer");
    let mut ticks = interval(PERIOD);
    // Beats that a hog swallowed do not come later all at once.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
    }
}
