//! Storms: many short tasks spawned at once.

use std::{
    io,
    time::{Duration, Instant},
};

use asynctop_probe::stage;
use tokio::{task::yield_now, time::sleep};

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    compute::compute,
    kind::{micros, millis, secs},
};
use crate::{
    metrics::{Count, Latency},
    spawner::Spawner,
};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "storm",
    about: "tasks that now and then spawn many short ones at once",
    unit: None,
    params: &[&BURST, &EVERY, &WORK],
    max_tasks,
    open,
};

static BURST: Param = Param {
    name: "burst",
    about: "how many tasks it spawns at once",
    param_type: ParamType::Count { default: 1000, min: 1, max: 10_000 },
};

static EVERY: Param = Param {
    name: "every",
    about: "the pause after each storm",
    param_type: ParamType::Duration { default: secs(1), min: millis(1), max: secs(3600) },
};

static WORK: Param = Param {
    name: "work",
    about: "how long each short task computes",
    param_type: ParamType::Duration { default: micros(20), min: micros(0), max: secs(1) },
};

/// Includes tasks that are left of the previous storm.
fn max_tasks(count: usize, params: &Params) -> usize {
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

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(Storm {
        spawner,
        burst: params.number(&BURST),
        every: params.duration(&EVERY),
        work: params.duration(&WORK),
        spawned: metrics.count("spawned"),
        wait: metrics.latency("from spawn to first poll"),
    }))
}

impl Workload for Storm {
    fn start(&mut self, number: usize) -> Instance {
        let (spawner, spawned, wait) =
            (self.spawner.clone(), self.spawned.clone(), self.wait.clone());
        let (burst, every, work) = (self.burst, self.every, self.work);
        let storm = async move {
            loop {
                stage("spawns many at once");
                let mut last = None;
                for nth in 1..=burst {
                    let short = short(Instant::now(), work, wait.clone());
                    last = Some(spawner.spawn(&format!("short-{nth}"), short));
                    spawned.add(1);
                }
                stage("rests until the next storm");
                sleep(every).await;
                // Storms must not pile up while a hog blocks the worker.
                while last.as_ref().is_some_and(|task| !task.is_finished()) {
                    stage("waits for the end of the last storm");
                    sleep(every).await;
                }
            }
        };
        self.spawner.spawn(&format!("storm-{number}"), storm).into()
    }
}

async fn short(spawned: Instant, work: Duration, wait: Latency) {
    wait.record(spawned.elapsed());
    stage("works a little");
    compute(work);
    yield_now().await;
}
