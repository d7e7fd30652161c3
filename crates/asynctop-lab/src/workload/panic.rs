//! Tasks that panic, while others continue.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    kind::{millis, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "panic",
    about: "tasks that panic soon after they start",
    unit: None,
    params: &[&AFTER],
    max_tasks: one_each,
    open,
};

static AFTER: Param = Param {
    name: "after",
    about: "how long each runs",
    param_type: ParamType::Duration { default: millis(1), min: millis(1), max: secs(3600) },
};

struct Panic {
    spawner: Spawner,
    after: Duration,
}

fn open(context: Context) -> io::Result<Box<dyn Workload>> {
    let after = context.params.duration(&AFTER);
    Ok(Box::new(Panic { spawner: context.spawner, after }))
}

impl Workload for Panic {
    fn start(&mut self, number: usize) -> Instance {
        self.spawner.spawn(&format!("panic-{number}"), panics(self.after)).into()
    }
}

async fn panics(after: Duration) {
    stage("about to panic");
    sleep(after).await;
    panic!("this task of the lab panics on purpose");
}
