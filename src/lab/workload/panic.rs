//! Tasks that panic, for the tests of what comes after.

use std::time::Duration;

use tokio::{task::AbortHandle, time::sleep};

use super::Workload;
use crate::{lab::spawner::Spawner, stage};

pub(super) struct Panic {
    spawner: Spawner,
}

impl Panic {
    pub(super) fn new(spawner: Spawner) -> Self {
        Panic { spawner }
    }
}

impl Workload for Panic {
    fn start(&mut self, number: usize) -> AbortHandle {
        self.spawner.spawn(&format!("panic-{number}"), panics()).1
    }
}

async fn panics() {
    stage("about to panic");
    sleep(Duration::from_millis(1)).await;
    panic!("a task of the lab panics because the scenario says so");
}
