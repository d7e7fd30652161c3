//! A `std::sync::Mutex` that is held during work: a task that waits for it blocks its thread.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asynctop_probe::stage;
use tokio::time::sleep;

use super::{
    Context, Instance, Param, ParamType, Workload, WorkloadKind,
    compute::compute,
    kind::{micros, millis, secs, two_each},
};
use crate::{metrics::Latency, spawner::Spawner};

pub(super) static KIND: WorkloadKind = WorkloadKind {
    name: "mutex-held",
    about: "pairs of tasks that share a std Mutex; one of the two works while it holds it",
    unit: None,
    params: &[&HOLD, &PAUSE],
    max_tasks: two_each,
    open,
};

static HOLD: Param = Param {
    name: "hold",
    about: "how long one of them works with the mutex held",
    param_type: ParamType::Duration { default: millis(30), min: micros(0), max: secs(60) },
};

static PAUSE: Param = Param {
    name: "pause",
    about: "the pause of this task after that",
    param_type: ParamType::Duration { default: millis(100), min: millis(1), max: secs(60) },
};

struct MutexHeld {
    spawner: Spawner,
    hold: Duration,
    pause: Duration,
    wait: Latency,
}

fn open(Context { spawner, metrics, params, .. }: Context) -> io::Result<Box<dyn Workload>> {
    let (hold, pause) = (params.duration(&HOLD), params.duration(&PAUSE));
    Ok(Box::new(MutexHeld { spawner, hold, pause, wait: metrics.latency("wait for the mutex") }))
}

impl Workload for MutexHeld {
    fn start(&mut self, number: usize) -> Instance {
        let mutex = Arc::new(Mutex::new(0));
        let other = lock_briefly(Arc::downgrade(&mutex), self.wait.clone());
        self.spawner.spawn(&format!("locks-mutex-{number}"), other);
        let task = hold_and_work(mutex, self.hold, self.pause);
        self.spawner.spawn(&format!("holds-mutex-{number}"), task).into()
    }
}

async fn hold_and_work(mutex: Arc<Mutex<u64>>, hold: Duration, pause: Duration) {
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

/// Needs the mutex only briefly, and ends when it is dropped.
async fn lock_briefly(mutex: std::sync::Weak<Mutex<u64>>, wait: Latency) {
    while let Some(mutex) = mutex.upgrade() {
        stage("blocks its thread on the mutex");
        let waiting = wait.start();
        drop(mutex.lock());
        waiting.finish();
        drop(mutex);
        stage("rests");
        sleep(Duration::from_millis(3)).await;
    }
    stage("the mutex was dropped");
}
