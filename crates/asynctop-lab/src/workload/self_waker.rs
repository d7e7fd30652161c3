//! Tasks that wake themselves in every poll and make no progress.

use std::{future::poll_fn, io, task::Poll, time::Duration};

use asynctop_probe::stage;

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    compute::compute,
    kind::{micros, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "self-waker",
    about: "tasks that check again and again instead of waiting, and wake themselves to do so",
    unit: None,
    params: &[&LOOK],
    tasks: one_each,
    open,
};

static LOOK: Param = Param {
    name: "look",
    about: "how long each check takes",
    allows: Allows::Duration { default: micros(5), least: micros(0), most: secs(60) },
};

struct SelfWaker {
    spawner: Spawner,
    look: Duration,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let look = opening.params.duration(&LOOK);
    Ok(Box::new(SelfWaker { spawner: opening.spawner, look }))
}

impl Workload for SelfWaker {
    fn start(&mut self, number: usize) -> Unit {
        let look = self.look;
        let task = async move {
            stage("checks and wakes itself");
            poll_fn(|context| {
                compute(look);
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await
        };
        self.spawner.spawn(&format!("self-waker-{number}"), task).1.into()
    }
}
