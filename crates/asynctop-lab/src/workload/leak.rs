//! A leak: tasks that are spawned repeatedly and never end.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{sync::watch, time::sleep};

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
};
use crate::{metrics::Count, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "leak",
    about: "tasks that spawn others which wait forever",
    unit: None,
    params: &[&EVERY, &LIMIT],
    max_tasks,
    open,
};

static EVERY: Param = Param {
    name: "every",
    about: "the time between two leaked tasks",
    param_type: ParamType::Duration { default: millis(100), min: millis(1), max: secs(3600) },
};

static LIMIT: Param = Param {
    name: "limit",
    about: "the number of leaked tasks at which it stops",
    param_type: ParamType::Count { default: 1000, min: 1, max: 100_000 },
};

fn max_tasks(count: usize, params: &Params) -> usize {
    count.saturating_mul(params.count(&LIMIT) + 1)
}

struct Leak {
    spawner: Spawner,
    every: Duration,
    limit: usize,
    leaked: Count,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (every, limit) = (params.duration(&EVERY), params.count(&LIMIT));
    Ok(Box::new(Leak { spawner, every, limit, leaked: metrics.count("leaked") }))
}

impl Workload for Leak {
    fn start(&mut self, number: usize) -> Instance {
        let (spawner, every, limit) = (self.spawner.clone(), self.every, self.limit);
        let total = self.leaked.clone();
        let leaker = async move {
            // Dropping the sender with this task ends all leaked tasks: the lab does not leak.
            let (_sender, messages) = watch::channel(());
            for nth in 1..=limit {
                stage("spawns a task that never ends");
                spawner.spawn(&format!("leaked-{nth}"), wait(messages.clone(), total.clone()));
                sleep(every).await;
            }
            loop {
                stage("spawns no more, at its limit");
                sleep(Duration::from_secs(3600)).await;
            }
        };
        self.spawner.spawn(&format!("leaker-{number}"), leaker).into()
    }
}

async fn wait(mut messages: watch::Receiver<()>, leaked: Count) {
    leaked.add(1);
    stage("waits for a message that never comes");
    let _ = messages.changed().await;
    leaked.sub(1);
}
