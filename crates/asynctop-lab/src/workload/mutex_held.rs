//! A `std::sync::Mutex` that is held during work: a task that waits for it blocks its thread.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Allows, Kind, Opening, Param, Unit, Workload,
    compute::compute,
    kind::{micros, millis, secs, two_each},
};
use crate::{gauge::Latency, spawner::Spawner};

pub(super) static KIND: Kind = Kind {
    name: "mutex-held",
    about: "pairs of tasks that share a std Mutex; one of them works while it holds it",
    unit: None,
    params: &[&HOLD, &PAUSE],
    tasks: two_each,
    open,
};

static HOLD: Param = Param {
    name: "hold",
    about: "how long one of them works with the mutex held",
    allows: Allows::Duration { default: millis(30), least: micros(0), most: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "its pause after that",
    allows: Allows::Duration { default: millis(100), least: millis(1), most: secs(60) },
};

struct MutexHeld {
    spawner: Spawner,
    hold: Duration,
    pause: Duration,
    wait: Latency,
}

fn open(Opening { spawner, gauges, params, .. }: Opening) -> io::Result<Box<dyn Workload>> {
    let (hold, pause) = (params.duration(&HOLD), params.duration(&PAUSE));
    Ok(Box::new(MutexHeld { spawner, hold, pause, wait: gauges.latency("wait for the mutex") }))
}

impl Workload for MutexHeld {
    fn start(&mut self, number: usize) -> Unit {
        let mutex = Arc::new(Mutex::new(0));
        let other = glances(Arc::downgrade(&mutex), self.wait.clone());
        self.spawner.spawn(&format!("glances-{number}"), other);
        let task = works(mutex, self.hold, self.pause);
        self.spawner.spawn(&format!("holds-mutex-{number}"), task).1.into()
    }
}

async fn works(mutex: Arc<Mutex<u64>>, hold: Duration, pause: Duration) {
    loop {
        {
            let mut count = mutex.lock().unwrap_or_else(PoisonError::into_inner);
            stage("works with the mutex held");
            compute(hold);
            *count += 1;
        }
        stage("rests");
        sleep(pause).await;
    }
}

/// Only ever needs it for a moment. Ends with the mutex.
async fn glances(mutex: std::sync::Weak<Mutex<u64>>, wait: Latency) {
    while let Some(mutex) = mutex.upgrade() {
        stage("waits for the mutex, with its thread");
        let waiting = wait.begin();
        drop(mutex.lock());
        waiting.end();
        drop(mutex);
        stage("rests");
        sleep(Duration::from_millis(3)).await;
    }
    stage("the mutex was dropped");
}
