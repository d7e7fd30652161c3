//! Tasks that can never continue: their future drops the waker that it was given.

use std::{future::poll_fn, task::Poll};

use asynctop_probe::stage;

use super::{Kind, Unit, Workload, kind::one_each};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "lost-waker",
    about: "tasks whose future drops its waker and returns Pending, so that nothing can wake them",
    unit: None,
    params: &[],
    tasks: one_each,
    open: |opening| Ok(Box::new(LostWaker { spawner: opening.spawner })),
};

struct LostWaker {
    spawner: Spawner,
}

impl Workload for LostWaker {
    fn start(&mut self, number: usize) -> Unit {
        let task = async {
            stage("waits without a waker");
            poll_fn(|context| {
                // Where a real one would keep it for whoever brings the news.
                drop(context.waker().clone());
                Poll::Pending
            })
            .await
        };
        self.spawner.spawn(&format!("lost-{number}"), task).1.into()
    }
}
