//! Storms: very many short tasks at once.

use std::{
    io,
    time::{Duration, Instant},
};

use asynctop_probe::stage;
use tokio::{task::yield_now, time::sleep};

use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    compute::compute,
    kind::{micros, millis, secs},
};
use crate::{
    gauge::{Count, Latency},
    spawner::Spawner,
};

pub(super) static KIND: Kind = Kind {
    name: "storm",
    about: "tasks that now and then spawn very many short ones at once",
    unit: None,
    params: &[&BURST, &EVERY, &WORK],
    tasks,
    open,
};

static BURST: Param = Param {
    name: "burst",
    about: "how many it spawns at once",
    allows: Allows::Count { default: 1000, least: 1, most: 10_000 },
};

static EVERY: Param = Param {
    name: "every",
    about: "the pause after each storm",
    allows: Allows::Duration { default: secs(1), least: millis(1), most: secs(3600) },
};

static WORK: Param = Param {
    name: "work",
    about: "how long each short task computes",
    allows: Allows::Duration { default: micros(20), least: micros(0), most: secs(1) },
};

/// What is left of the storm before is counted too.
fn tasks(count: usize, params: &Params) -> usize {
    count.saturating_mul(2 * params.count(&BURST) + 1)
}

struct Storm {
    spawner: Spawner,
    burst: u64,
    every: Duration,
    work: Duration,
    spawned: Count,
    wait: Latency,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(Storm {
        spawner,
        burst: params.number(&BURST),
        every: params.duration(&EVERY),
        work: params.duration(&WORK),
        spawned: gauges.count("spawned"),
        wait: gauges.latency("from spawn to first poll"),
    }))
}

impl Workload for Storm {
    fn start(&mut self, number: usize) -> Unit {
        let (spawner, spawned, wait) =
            (self.spawner.clone(), self.spawned.clone(), self.wait.clone());
        let (burst, every, work) = (self.burst, self.every, self.work);
        let storm = async move {
            loop {
                stage("spawns very many at once");
                let mut last = None;
                for nth in 1..=burst {
                    let short = short(Instant::now(), work, wait.clone());
                    last = Some(spawner.spawn(&format!("short-{nth}"), short).1);
                    spawned.add(1);
                }
                stage("rests until the next storm");
                sleep(every).await;
                // Under a hog nobody gets done: storms must not pile up.
                while last.as_ref().is_some_and(|task| !task.is_finished()) {
                    stage("waits for the end of the last storm");
                    sleep(every).await;
                }
            }
        };
        self.spawner.spawn(&format!("storm-{number}"), storm).1.into()
    }
}

async fn short(spawned: Instant, work: Duration, wait: Latency) {
    wait.took(spawned.elapsed());
    stage("works a little");
    compute(work);
    yield_now().await;
}
