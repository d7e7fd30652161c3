//! Tasks that wake themselves in every poll and make no progress.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use asynctop_probe::stage;

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    compute::compute,
    kind::{micros, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "self-waker",
    about: "tasks that check repeatedly instead of waiting, and wake themselves to do so",
    unit: None,
    params: &[&CHECK],
    max_tasks: one_each,
    open,
};

static CHECK: Param = Param {
    name: "check",
    about: "how long each check takes",
    param_type: ParamType::Duration { default: micros(5), min: micros(0), max: secs(60) },
};

struct SelfWaker {
    spawner: Spawner,
    check: Duration,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let check = context.params.duration(&CHECK);
    Ok(Box::new(SelfWaker { spawner: context.spawner, check }))
}

impl Workload for SelfWaker {
    fn start(&mut self, number: usize) -> Instance {
        let check = self.check;
        let task = async move {
            stage("checks and wakes itself");
            poll_fn(|context| {
                compute(check);
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        };
        self.spawner.spawn(&format!("self-waker-{number}"), task).into()
    }
}
