//! Futures that are dropped half way, which cancels them.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::{sleep, timeout};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, secs, two_each},
};
use crate::{gauge::Count, spawner::Spawner};

pub(super) static KIND: Kind = Kind {
    name: "halfway",
    about: "tasks that await a download of four steps, but lose patience and drop it",
    unit: None,
    params: &[&STEP, &PATIENCE, &REST],
    tasks: two_each,
    open,
};

static STEP: Param = Param {
    name: "step",
    about: "how long each of the four steps takes",
    allows: Allows::Duration { default: millis(200), least: millis(1), most: secs(60) },
};

static PATIENCE: Param = Param {
    name: "patience",
    about: "the time after which the download is dropped",
    allows: Allows::Duration { default: millis(500), least: millis(1), most: secs(3600) },
};

static REST: Param = Param {
    name: "rest",
    about: "the time until the next try",
    allows: Allows::Duration { default: secs(1), least: millis(1), most: secs(3600) },
};

struct HalfWay {
    spawner: Spawner,
    times: Times,
    counts: Counts,
}

#[derive(Clone, Copy)]
struct Times {
    step: Duration,
    patience: Duration,
    rest: Duration,
}

#[derive(Clone)]
struct Counts {
    begun: Count,
    dropped: Count,
    arrived: Count,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let (step, patience) = (params.duration(&STEP), params.duration(&PATIENCE));
    let times = Times { step, patience, rest: params.duration(&REST) };
    let counts = Counts {
        begun: gauges.count("begun"),
        dropped: gauges.count("dropped half way"),
        arrived: gauges.count("reached the last line"),
    };
    Ok(Box::new(HalfWay { spawner, times, counts }))
}

impl Workload for HalfWay {
    fn start(&mut self, number: usize) -> Unit {
        let task = impatient(number, self.spawner.clone(), self.times, self.counts.clone());
        self.spawner.spawn(&format!("impatient-{number}"), task).1.into()
    }
}

async fn impatient(number: usize, spawner: Spawner, times: Times, counts: Counts) {
    loop {
        stage("awaits a download, not for long");
        let download = download(times.step, counts.arrived.clone());
        let download = spawner.instrument(&format!("download-{number}"), download);
        counts.begun.add(1);
        // At the end of its time, timeout drops the future that it holds.
        if timeout(times.patience, download).await.is_err() {
            counts.dropped.add(1);
            stage("lost patience and dropped the download");
        }
        sleep(times.rest).await;
    }
}

async fn download(step: Duration, arrived: Count) {
    for text in ["step 1 of 4", "step 2 of 4", "step 3 of 4", "step 4 of 4"] {
        stage(text);
        sleep(step).await;
    }
    stage("reached its last line");
    arrived.add(1);
}
