//! Blocking calls on the blocking pool.

use std::{io, thread, time::Duration};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, one_each, secs},
};
use crate::{
    counter::Counter,
    metrics::{Count, Latency},
    spawner::Spawner,
};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "blocking",
    about: "tasks that run a blocking call on the blocking pool and await it",
    unit: Some("job"),
    params: &[&WORK, &PAUSE],
    max_tasks: one_each,
    open,
};

static WORK: Param = Param {
    name: "work",
    about: "how long each call blocks its thread",
    param_type: ParamType::Duration { default: millis(50), min: millis(1), max: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause after each call",
    param_type: ParamType::Duration { default: millis(1), min: millis(1), max: secs(60) },
};

struct Blocking {
    spawner: Spawner,
    caller: Caller,
}

#[derive(Clone)]
struct Caller {
    work: Duration,
    pause: Duration,
    done: Counter,
    running: Count,
    queue: Latency,
}

fn open(Context { spawner, done, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let caller = Caller {
        work: params.duration(&WORK),
        pause: params.duration(&PAUSE),
        done,
        running: metrics.count("calls on a thread"),
        queue: metrics.latency("wait for a thread"),
    };
    Ok(Box::new(Blocking { spawner, caller }))
}

impl Workload for Blocking {
    fn start(&mut self, number: usize) -> Instance {
        let pool = self.spawner.handle().clone();
        let caller = self.caller.clone();
        let task = async move {
            loop {
                stage("awaits a call on the blocking pool");
                let (queued, running) = (caller.queue.start(), caller.running.clone());
                let work = caller.work;
                let call = pool.spawn_blocking(move || {
                    queued.finish();
                    running.add(1);
                    thread::sleep(work);
                    running.sub(1);
                });
                if call.await.is_err() {
                    stage("failed: the pool has been shut down");
                    return;
                }
                caller.done.increment();
                stage("rests");
                sleep(caller.pause).await;
            }
        };
        self.spawner.spawn(&format!("caller-{number}"), task).into()
    }
}
