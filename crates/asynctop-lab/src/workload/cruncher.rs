//! Computation that suits a runtime: short slices with a yield between them.

use std::{
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use asynctop_probe::stage;
use tokio::{task::yield_now, time::sleep};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{micros, millis, one_each, secs},
};
use crate::{counter::Counter, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "cruncher",
    about: "computing in short slices with a yield between them",
    unit: Some("slice"),
    params: &[&SLICE, &SLICES, &PAUSE],
    max_tasks: one_each,
    open,
};

/// The default is short enough to go unnoticed by other tasks.
static SLICE: Param = Param {
    name: "slice",
    about: "how long it computes before it yields",
    param_type: ParamType::Duration { default: micros(100), min: micros(1), max: secs(60) },
};

static SLICES: Param = Param {
    name: "slices",
    about: "how many slices make a job",
    param_type: ParamType::Count { default: 20, min: 1, max: 1_000_000 },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause after each job",
    param_type: ParamType::Duration { default: millis(20), min: millis(1), max: secs(60) },
};

struct Cruncher {
    spawner: Spawner,
    done: Counter,
    job: Job,
}

#[derive(Clone, Copy)]
struct Job {
    slice: Duration,
    slices: usize,
    pause: Duration,
}

fn open(Context { spawner, done, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (slice, pause) = (params.duration(&SLICE), params.duration(&PAUSE));
    let job = Job { slice, slices: params.count(&SLICES), pause };
    Ok(Box::new(Cruncher { spawner, done, job }))
}

impl Workload for Cruncher {
    fn start(&mut self, number: usize) -> Instance {
        self.spawner
            .spawn(&format!("cruncher-{number}"), cruncher(self.job, self.done.clone()))
            .into()
    }
}

async fn cruncher(job: Job, done: Counter) {
    let mut next = 1;
    loop {
        stage("crunches numbers");
        for _ in 0..job.slices {
            next = compute(next, job.slice);
            done.increment();
            yield_now().await;
        }
        stage("waits for the next job");
        sleep(job.pause).await;
    }
}

/// Computes Collatz sequences, starting with that of `next`, until the slice is over.
fn compute(mut next: u64, slice: Duration) -> u64 {
    let begin = Instant::now();
    while begin.elapsed() < slice {
        for _ in 0..16 {
            black_box(collatz_steps(next));
            next = next.wrapping_add(1).max(1);
        }
    }
    next
}

fn collatz_steps(mut n: u64) -> u32 {
    let mut steps = 0;
    while n > 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { n.wrapping_mul(3).wrapping_add(1) };
        steps += 1;
    }
    steps
}
