//! Futures that are created and never awaited.

use std::{io, time::Duration};

use asynctop_probe::{Instrumented, stage};
use tokio::time::sleep;

use super::{Kind, Unit, Workload, kind::one_each};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "unawaited",
    about: "tasks that each hold a future which they never await",
    unit: None,
    params: &[],
    tasks: one_each,
    open: |opening| Ok(Box::new(Unawaited { spawner: opening.spawner })),
};

struct Unawaited {
    spawner: Spawner,
}

impl Workload for Unawaited {
    fn start(&mut self, number: usize) -> Unit {
        // Called, but neither awaited nor spawned: the first line of it has not run.
        let future = self.spawner.instrument(&format!("never-awaited-{number}"), work());
        self.spawner.spawn(&format!("holder-{number}"), hold(future)).1.into()
    }
}

async fn work() -> io::Result<()> {
    stage("works, so it was awaited after all");
    sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// The future is dropped with its holder.
async fn hold(future: Instrumented<impl Future>) {
    stage("holds a future that it never awaits");
    loop {
        sleep(Duration::from_secs(3600)).await;
        // Still here, and still not awaited.
        std::hint::black_box(&future);
    }
}
