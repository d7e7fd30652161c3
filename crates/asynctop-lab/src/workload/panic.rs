//! Tasks that panic, beside others that continue.

use std::{io, time::Duration};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    kind::{millis, one_each, secs},
};
use crate::spawner::Spawner;

pub(super) static KIND: Kind = Kind {
    name: "panic",
    about: "tasks that panic soon after they start",
    unit: None,
    params: &[&AFTER],
    tasks: one_each,
    open,
};

static AFTER: Param = Param {
    name: "after",
    about: "how long each lives",
    allows: Allows::Duration { default: millis(1), least: millis(1), most: secs(3600) },
};

struct Panic {
    spawner: Spawner,
    after: Duration,
}

fn open(opening: Opening) -> io::Result<Box<dyn Workload>> {
    let after = opening.params.duration(&AFTER);
    Ok(Box::new(Panic { spawner: opening.spawner, after }))
}

impl Workload for Panic {
    fn start(&mut self, number: usize) -> Unit {
        self.spawner.spawn(&format!("panic-{number}"), panics(self.after)).1.into()
    }
}

async fn panics(after: Duration) {
    stage("about to panic");
    sleep(after).await;
    panic!("this task of the lab panics on purpose");
}
