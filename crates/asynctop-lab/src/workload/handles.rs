//! A `JoinHandle` that is dropped, compared with a task that is aborted.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Context, Instance, Param, ParamType, Params, Workload, WorkloadKind,
    kind::{millis, secs},
};
use crate::{metrics::Count, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "handles",
    about: "tasks that spawn two others, drop the handle of one and abort the other",
    unit: None,
    params: &[&STEP, &REST],
    max_tasks,
    open,
};

static STEP: Param = Param {
    name: "step",
    about: "how long each of the four steps of a spawned task takes",
    param_type: ParamType::Duration { default: millis(200), min: millis(1), max: secs(60) },
};

static REST: Param = Param {
    name: "rest",
    about: "the time until it spawns the next two",
    param_type: ParamType::Duration { default: secs(1), min: millis(1), max: secs(3600) },
};

/// A parent, its two children, and the two previous ones, which may still run.
fn max_tasks(count: usize, _: &Params) -> usize {
    count.saturating_mul(5)
}

struct Handles {
    spawner: Spawner,
    step: Duration,
    rest: Duration,
    without_handle: Count,
    aborted: Count,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    Ok(Box::new(Handles {
        spawner,
        step: params.duration(&STEP),
        rest: params.duration(&REST),
        without_handle: metrics.count("finished with the handle dropped"),
        aborted: metrics.count("finished after the abort"),
    }))
}

impl Workload for Handles {
    fn start(&mut self, number: usize) -> Instance {
        let (spawner, step, rest) = (self.spawner.clone(), self.step, self.rest);
        let (without_handle, aborted) = (self.without_handle.clone(), self.aborted.clone());
        let parent = async move {
            loop {
                stage("spawns two, drops the handle of one");
                // The spawner drops the JoinHandle.
                let child = four_steps(step, without_handle.clone());
                spawner.spawn(&format!("handle-dropped-{number}"), child);
                let child = four_steps(step, aborted.clone());
                let abort = spawner.spawn(&format!("aborted-{number}"), child);
                sleep(2 * step + step / 2).await;
                abort.abort();
                stage("has aborted the other");
                sleep(rest).await;
            }
        };
        self.spawner.spawn(&format!("parent-{number}"), parent).into()
    }
}

async fn four_steps(step: Duration, finished: Count) {
    for text in ["step 1 of 4", "step 2 of 4", "step 3 of 4", "step 4 of 4"] {
        stage(text);
        sleep(step).await;
    }
    finished.add(1);
    stage("finished without a handle");
}
