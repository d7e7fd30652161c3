//! Futures that are dropped halfway, which cancels them.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::{sleep, timeout};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, secs, two_each},
};
use crate::{metrics::Count, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "halfway",
    about: "tasks that await a download of four steps, and drop it after a timeout",
    unit: None,
    params: &[&STEP, &TIMEOUT, &REST],
    max_tasks: two_each,
    open,
};

static STEP: Param = Param {
    name: "step",
    about: "how long each of the four steps takes",
    param_type: ParamType::Duration { default: millis(200), min: millis(1), max: secs(60) },
};

static TIMEOUT: Param = Param {
    name: "timeout",
    about: "the time after which the download is dropped",
    param_type: ParamType::Duration { default: millis(500), min: millis(1), max: secs(3600) },
};

static REST: Param = Param {
    name: "rest",
    about: "the time until the next try",
    param_type: ParamType::Duration { default: secs(1), min: millis(1), max: secs(3600) },
};

struct Halfway {
    spawner: Spawner,
    times: Times,
    counts: Counts,
}

#[derive(Clone, Copy)]
struct Times {
    step: Duration,
    limit: Duration,
    rest: Duration,
}

#[derive(Clone)]
struct Counts {
    started: Count,
    dropped: Count,
    completed: Count,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (step, limit) = (params.duration(&STEP), params.duration(&TIMEOUT));
    let times = Times { step, limit, rest: params.duration(&REST) };
    let counts = Counts {
        started: metrics.count("begun"),
        dropped: metrics.count("dropped half way"),
        completed: metrics.count("reached the last line"),
    };
    Ok(Box::new(Halfway { spawner, times, counts }))
}

impl Workload for Halfway {
    fn start(&mut self, number: usize) -> Instance {
        let task = impatient(number, self.spawner.clone(), self.times, self.counts.clone());
        self.spawner.spawn(&format!("impatient-{number}"), task).into()
    }
}

async fn impatient(number: usize, spawner: Spawner, times: Times, counts: Counts) {
    loop {
        stage("awaits a download, not for long");
        let download = download(times.step, counts.completed.clone());
        let download = spawner.instrument(&format!("download-{number}"), download);
        counts.started.add(1);
        // When the time is over, timeout drops its future.
        if timeout(times.limit, download).await.is_err() {
            counts.dropped.add(1);
            stage("dropped the download after the timeout");
        }
        sleep(times.rest).await;
    }
}

async fn download(step: Duration, completed: Count) {
    for text in ["step 1 of 4", "step 2 of 4", "step 3 of 4", "step 4 of 4"] {
        stage(text);
        sleep(step).await;
    }
    stage("reached its last line");
    completed.add(1);
}
