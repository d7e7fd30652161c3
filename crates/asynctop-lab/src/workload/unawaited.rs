//! Futures that are created and never awaited.

use std::{io, time::Duration};

use asynctop_probe::{Instrumented, stage};
use tokio::time::sleep;

use super::{Instance, Workload, WorkloadKind, kind::one_each};
use crate::spawner::Spawner;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "unawaited",
    about: "tasks that each hold a future which they never await",
    unit: None,
    params: &[],
    max_tasks: one_each,
    open: |context| Ok(Box::new(Unawaited { spawner: context.spawner })),
};

struct Unawaited {
    spawner: Spawner,
}

impl Workload for Unawaited {
    fn start(&mut self, number: usize) -> Instance {
        // Called, but neither awaited nor spawned: its first line has not run.
        let future = self.spawner.instrument(&format!("never-awaited-{number}"), work());
        self.spawner.spawn(&format!("holder-{number}"), hold(future)).into()
    }
}

async fn work() -> io::Result<()> {
    stage("works, so it was awaited after all");
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// Keeps the future until this task ends.
async fn hold(future: Instrumented<impl Future>) {
    stage("holds a future that it never awaits");
    loop {
        sleep(Duration::from_secs(3600)).await;
        // Uses the future without awaiting it.
        std::hint::black_box(&future);
    }
}
