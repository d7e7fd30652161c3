//! Keeps each workload at its configured number of instances.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
};

use super::{
    hog::Stop,
    runtime::TestRuntime,
    spawner::Spawner,
    state::{LabState, WorkloadState},
    workload::{Instance, Workload},
};

/// A running workload. An instance is the unit of its count: a heartbeat, a client with its
/// connection, a pair. Stopping an instance stops everything that it started.
pub(crate) struct RunningWorkload {
    workload: Box<dyn Workload>,
    /// With their numbers, oldest first.
    instances: Vec<(usize, Instance)>,
    restarts: u64,
}

impl RunningWorkload {
    pub(crate) fn new(workload: Box<dyn Workload>, state: &WorkloadState) -> Self {
        let restarts = state.restarts.load(Ordering::Relaxed);
        RunningWorkload { workload, instances: Vec::new(), restarts }
    }

    /// Starts instances, or stops the youngest, until the target count is reached. A task stops
    /// when its worker is free.
    fn adjust(&mut self, state: &WorkloadState, stop: &Stop) {
        let restarts = state.restarts.load(Ordering::Relaxed);
        if self.restarts != restarts {
            self.restarts = restarts;
            self.instances.drain(..).for_each(|(_, instance)| instance.stop());
        }
        self.instances.retain(|(_, instance)| !instance.has_ended());
        // Starting many instances takes a while, in which the target may change.
        let target = || state.target_count.load(Ordering::Relaxed);
        while self.instances.len() < target() && !stop.is_requested() {
            let number = self.instances.last().map_or(1, |(number, _)| number + 1);
            self.instances.push((number, self.workload.start(number)));
        }
        while self.instances.len() > target() {
            if let Some((_, instance)) = self.instances.pop() {
                instance.stop();
            }
        }
    }
}

/// Keeps the workloads of one runtime at their target counts, and shuts the runtime down when
/// dropped. Both take a while with many tasks, so they happen on a separate thread.
#[derive(Debug)]
pub(crate) struct WorkloadSupervisor {
    changes: mpsc::Sender<()>,
    stop: Stop,
}

impl WorkloadSupervisor {
    pub(crate) fn start(
        state: &Arc<LabState>,
        runtime: TestRuntime,
        spawner: Spawner,
        mut workloads: Vec<RunningWorkload>,
    ) -> io::Result<Self> {
        let (changes, receiver) = mpsc::channel();
        let (state, stop) = (Arc::clone(state), Stop::default());
        let stop_requested = stop.clone();
        thread::Builder::new().name("lab-supervisor".into()).spawn(move || {
            loop {
                for (workload, state) in workloads.iter_mut().zip(&state.workloads) {
                    workload.adjust(state, &stop_requested);
                }
                if receiver.recv().is_err() {
                    break;
                }
                // One pass covers all changes so far.
                receiver.try_iter().for_each(drop);
            }
            drop((workloads, spawner, runtime));
        })?;
        Ok(WorkloadSupervisor { changes, stop })
    }

    /// Applies changed target counts and restarts.
    pub(crate) fn notify(&self) {
        // If the thread has ended, there are no instances to adjust.
        let _ = self.changes.send(());
    }
}

impl Drop for WorkloadSupervisor {
    fn drop(&mut self) {
        self.stop.request();
    }
}
