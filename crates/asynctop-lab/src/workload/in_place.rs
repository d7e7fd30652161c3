//! `block_in_place`: another thread takes over the worker with its other tasks.

use std::{io, thread, time::Duration};

use asynctop_probe::stage;
use tokio::{runtime::RuntimeFlavor, task::block_in_place, time::sleep};

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, one_each, secs},
};
use crate::{counter::Counter, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "in-place",
    about: "tasks that block their thread inside block_in_place",
    unit: Some("call"),
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
    param_type: ParamType::Duration { default: millis(50), min: millis(1), max: secs(60) },
};

struct InPlace {
    spawner: Spawner,
    done: Counter,
    work: Duration,
    pause: Duration,
}

fn open(Context { spawner, done, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (work, pause) = (params.duration(&WORK), params.duration(&PAUSE));
    Ok(Box::new(InPlace { spawner, done, work, pause }))
}

impl Workload for InPlace {
    fn start(&mut self, number: usize) -> Instance {
        // On a current-thread runtime, no thread can take over, and Tokio panics.
        let is_supported = self.spawner.handle().runtime_flavor() != RuntimeFlavor::CurrentThread;
        let (done, work, pause) = (self.done.clone(), self.work, self.pause);
        let task = async move {
            if !is_supported {
                stage("needs a multi-thread runtime (f)");
                loop {
                    sleep(Duration::from_secs(3600)).await;
                }
            }
            loop {
                stage("blocks in place");
                block_in_place(|| thread::sleep(work));
                done.increment();
                stage("rests");
                sleep(pause).await;
            }
        };
        self.spawner.spawn(&format!("in-place-{number}"), task).into()
    }
}
