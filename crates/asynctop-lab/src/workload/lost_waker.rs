//! Tasks that can never continue: their future drops its waker.

use std::{future::poll_fn, task::Poll};

use asynctop_probe::stage;

use super::{Instance, Workload, WorkloadKind, kind::one_each};
use crate::spawner::Spawner;

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "lost-waker",
    about: "tasks whose future drops its waker and returns Pending, so that nothing can wake them",
    unit: None,
    params: &[],
    max_tasks: one_each,
    open: |context| Ok(Box::new(LostWaker { spawner: context.spawner })),
};

struct LostWaker {
    spawner: Spawner,
}

impl Workload for LostWaker {
    fn start(&mut self, number: usize) -> Instance {
        let task = async {
            stage("waits without a waker");
            poll_fn(|context| {
                // A correct future would store it where its event can wake it.
                drop(context.waker().clone());
                Poll::Pending
            })
            .await
        };
        self.spawner.spawn(&format!("lost-{number}"), task).into()
    }
}
