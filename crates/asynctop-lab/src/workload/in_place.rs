//! `block_in_place`: the worker's other tasks move to another thread.

use std::{io, thread, time::Duration};

use asynctop_probe::stage;
use tokio::{runtime::RuntimeFlavor, task::block_in_place, time::sleep};

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, one_each, secs},
};
use crate::{counter::Counter, spawner::Spawner};

pub(super) static KIND: Kind = Kind {
    name: "in-place",
    about: "tasks that block their thread inside block_in_place",
    unit: Some("call"),
    params: &[&WORK, &PAUSE],
    tasks: one_each,
    open,
};

static WORK: Param = Param {
    name: "work",
    about: "how long each call blocks its thread",
    allows: Allows::Duration { default: millis(50), least: millis(1), most: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause after each call",
    allows: Allows::Duration { default: millis(50), least: millis(1), most: secs(60) },
};

struct InPlace {
    spawner: Spawner,
    done: Counter,
    work: Duration,
    pause: Duration,
}

fn open(Opening { spawner, done, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let (work, pause) = (params.duration(&WORK), params.duration(&PAUSE));
    Ok(Box::new(InPlace { spawner, done, work, pause }))
}

impl Workload for InPlace {
    fn start(&mut self, number: usize) -> Unit {
        // On a current-thread runtime there is nobody to hand the tasks to: Tokio panics.
        let possible = self.spawner.handle().runtime_flavor() != RuntimeFlavor::CurrentThread;
        let (done, work, pause) = (self.done.clone(), self.work, self.pause);
        let task = async move {
            if !possible {
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
        self.spawner.spawn(&format!("in-place-{number}"), task).1.into()
    }
}
