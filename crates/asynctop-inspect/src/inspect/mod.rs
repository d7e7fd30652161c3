//! One inspection: reads tasks, runtimes and threads, checks them, and assembles the result.

mod blocks;
mod current;
mod heap_scan;
mod no_runtimes;
mod offsets;
mod open;
mod queues;
mod runtime_info;
mod runtimes;
mod stacks;
mod task_names;
mod tasks;
mod thread_ids;
mod threads;
mod types;

use std::time::Instant;

use crate::{
    error::InspectError,
    process::{
        maps::{Maps, Pages},
        threads::list,
    },
};

pub(crate) use blocks::{Contexts, CurrentWord};
pub use open::Process;
pub use runtime_info::*;
pub(crate) use stacks::{Stack, Stop};
pub use types::*;

impl Process {
    /// Reads all tasks, runtimes and threads as they are now.
    ///
    /// The program keeps running, so only the fields of one task are from a single moment. The tasks
    /// of a runtime agree with the runtime's own count.
    ///
    /// # Errors
    ///
    /// If the process has ended or has started another program.
    pub fn inspect(&mut self, options: &Options) -> Result<Inspection, InspectError> {
        let mut inspection = self.read(options)?;
        let order = |task: &TaskInfo| (task.runtime, task.kind, task.id, task.address);
        inspection.tasks.sort_by_key(order);
        Ok(inspection)
    }

    /// Like [`Process::inspect`], with the tasks in no particular order.
    pub(crate) fn read(&mut self, options: &Options) -> Result<Inspection, InspectError> {
        let began = Instant::now();
        let Ok(maps) = Maps::read(&self.identity.path("maps")) else {
            self.identity.verify()?;
            return Err(InspectError::Ended { pid: self.pid() });
        };
        let is_stopped = self.identity.is_stopped();
        let pages = Pages::open(&self.identity.path("pagemap"));
        let threads = list(&self.identity);
        let blocks = self.blocks(&maps, &pages, &threads);
        let mut checks = Vec::new();
        let mut found = self.find_tasks(&maps, &pages, &threads, &blocks, options, &mut checks);
        let retries = found.retries;
        if options.names {
            self.add_names(&mut found);
        }
        let mut threads = self.match_threads(&threads, &blocks, &mut found, &mut checks);
        if options.stacks {
            self.add_stacks(&maps, options.stop_running, &mut threads);
        }
        self.identity.verify()?;
        Ok(Inspection {
            pid: self.pid(),
            command: self.command.clone(),
            is_stopped,
            tokio: self.copies.clone(),
            runtimes: found.runtimes,
            tasks: found.tasks,
            threads,
            checks,
            retries,
            took: began.elapsed(),
        })
    }
}
