//! The running units of one workload: as many as are wanted.

use tokio::task::AbortHandle;

use super::workload::Workload;

/// One workload at work. A unit is what a count counts: a heartbeat, a client with its
/// connection, a pair. Ending its one task ends the rest of it.
pub(crate) struct Crew {
    workload: Box<dyn Workload>,
    /// Numbers and tasks, oldest first.
    units: Vec<(usize, AbortHandle)>,
}

impl Crew {
    pub(crate) fn new(workload: Box<dyn Workload>) -> Self {
        Crew { workload, units: Vec::new() }
    }

    /// Starts units, or asks the youngest ones to end, until as many live as are wanted.
    /// Ending takes effect when their worker is free.
    pub(crate) fn adjust(&mut self, wanted: usize) {
        self.units.retain(|(_, task)| !task.is_finished());
        while self.units.len() < wanted {
            let number = self.units.last().map_or(1, |(number, _)| number + 1);
            self.units.push((number, self.workload.start(number)));
        }
        for (_, task) in self.units.drain(wanted..) {
            task.abort();
        }
    }
}
