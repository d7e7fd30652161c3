//! Keeps each workload at its configured number of instances.

use std::{
    io,
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
};

use super::{
    hog::Stop,
    runtime::TestRuntime,
    shared::{Shared, Tally},
    spawner::Spawner,
    workload::{Unit, Workload},
};

/// One workload at work. A unit is what a count counts: a heartbeat, a client with its
/// connection, a pair. Ending it ends all that belongs to it.
pub(crate) struct Crew {
    workload: Box<dyn Workload>,
    /// With their numbers, oldest first.
    units: Vec<(usize, Unit)>,
    /// How often it has started anew.
    restarts: u64,
}

impl Crew {
    pub(crate) fn new(workload: Box<dyn Workload>, tally: &Tally) -> Self {
        Crew { workload, units: Vec::new(), restarts: tally.restarts.load(Ordering::Relaxed) }
    }

    /// Starts units, or asks the youngest ones to end, until as many live as are wanted.
    /// Ending takes effect when their worker is free.
    fn adjust(&mut self, tally: &Tally, stop: &Stop) {
        let (wanted, restarts) = (&tally.wanted, tally.restarts.load(Ordering::Relaxed));
        if self.restarts != restarts {
            self.restarts = restarts;
            self.units.drain(..).for_each(|(_, unit)| unit.end());
        }
        self.units.retain(|(_, unit)| !unit.is_over());
        // Looked up each time: with many units this takes a while.
        while self.units.len() < wanted.load(Ordering::Relaxed) && !stop.asked() {
            let number = self.units.last().map_or(1, |(number, _)| number + 1);
            self.units.push((number, self.workload.start(number)));
        }
        while self.units.len() > wanted.load(Ordering::Relaxed) {
            if let Some((_, unit)) = self.units.pop() {
                unit.end();
            }
        }
    }
}

/// Keeps the crews of one runtime at their wanted counts, and ends the runtime, on a
/// thread of its own: both take a while with many tasks, and whoever asks must not wait.
#[derive(Debug)]
pub(crate) struct Foreman {
    look: mpsc::Sender<()>,
    stop: Stop,
}

impl Foreman {
    /// Begins to start the units that are wanted.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        runtime: TestRuntime,
        spawner: Spawner,
        mut crews: Vec<Crew>,
    ) -> io::Result<Self> {
        let (look, looks) = mpsc::channel();
        let (shared, stop) = (Arc::clone(shared), Stop::default());
        let asked = stop.clone();
        thread::Builder::new().name("asynctop-crews".into()).spawn(move || {
            loop {
                for (crew, tally) in crews.iter_mut().zip(&shared.tallies) {
                    crew.adjust(tally, &asked);
                }
                if looks.recv().is_err() {
                    break;
                }
                // One look is enough for all the keystrokes since the last one.
                looks.try_iter().for_each(drop);
            }
            drop((crews, spawner, runtime));
        })?;
        Ok(Foreman { look, stop })
    }

    /// Has it look at the wanted counts.
    pub(crate) fn look(&self) {
        // Without the thread there is nothing to adjust any more.
        let _ = self.look.send(());
    }
}

impl Drop for Foreman {
    fn drop(&mut self) {
        self.stop.now();
    }
}
