//! A leak: tasks that are spawned repeatedly and never end.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::{sync::watch, time::sleep};

use super::{
    Allows, Kind, Opening, Param, Params, Unit, Workload,
    kind::{millis, secs},
};
use crate::{gauge::Count, spawner::Spawner};

pub(super) static KIND: Kind = Kind {
    name: "leak",
    about: "tasks that spawn others which wait forever",
    unit: None,
    params: &[&EVERY, &LIMIT],
    tasks,
    open,
};

static EVERY: Param = Param {
    name: "every",
    about: "the time between two leaked tasks",
    allows: Allows::Duration { default: millis(100), least: millis(1), most: secs(3600) },
};

static LIMIT: Param = Param {
    name: "limit",
    about: "the number of leaked tasks at which it stops",
    allows: Allows::Count { default: 1000, least: 1, most: 100_000 },
};

fn tasks(count: usize, params: &Params) -> usize {
    count.saturating_mul(params.count(&LIMIT) + 1)
}

struct Leak {
    spawner: Spawner,
    every: Duration,
    limit: usize,
    leaked: Count,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let (every, limit) = (params.duration(&EVERY), params.count(&LIMIT));
    Ok(Box::new(Leak { spawner, every, limit, leaked: gauges.count("leaked") }))
}

impl Workload for Leak {
    fn start(&mut self, number: usize) -> Unit {
        let (spawner, every, limit) = (self.spawner.clone(), self.every, self.limit);
        let total = self.leaked.clone();
        let leaker = async move {
            // With the sender, the lab cleans up: its end ends all who wait.
            let (_never, news) = watch::channel(());
            for nth in 1..=limit {
                stage("spawns a task that never ends");
                spawner.spawn(&format!("leaked-{nth}"), wait(news.clone(), total.clone()));
                sleep(every).await;
            }
            loop {
                stage("at its limit, spawns no more");
                sleep(Duration::from_secs(3600)).await;
            }
        };
        self.spawner.spawn(&format!("leaker-{number}"), leaker).1.into()
    }
}

async fn wait(mut news: watch::Receiver<()>, leaked: Count) {
    leaked.add(1);
    stage("waits for a message that never comes");
    let _ = news.changed().await;
    leaked.sub(1);
}
