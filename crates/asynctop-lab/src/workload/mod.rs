//! The kinds of workloads, one file each.
//!
//! A new kind is a file here and a line in [`WORKLOAD_KINDS`]. It describes itself, declares its
//! parameters and the number of its tasks, and starts instances on the runtime under test.

mod blocking;
mod compute;
mod cruncher;
mod customers;
#[cfg(feature = "web")]
mod db;
mod feed;
mod halfway;
mod handles;
mod heartbeats;
mod hello;
pub(super) mod hog;
mod in_place;
mod kind;
mod leak;
mod lifo;
mod lost_waker;
mod mutex_held;
mod net;
mod panic;
mod param;
mod pingpong;
mod programs;
mod self_waker;
mod slow_consumer;
mod storm;
mod tcp;
mod temp_file;
mod unawaited;
#[cfg(feature = "web")]
mod web;

use tokio::task::AbortHandle;

pub use customers::run_customers;
pub(super) use kind::Context;
pub use kind::WorkloadKind;
pub use param::{Param, ParamType, ParamValue, Params};

/// The kinds that a scenario can run.
pub static WORKLOAD_KINDS: &[&WorkloadKind] = &[
    &heartbeats::KIND,
    &tcp::KIND,
    &customers::KIND,
    #[cfg(feature = "web")]
    &web::KIND,
    &pingpong::KIND,
    &cruncher::KIND,
    &feed::KIND,
    &hello::KIND,
    &unawaited::KIND,
    &halfway::KIND,
    &handles::KIND,
    &programs::KIND,
    &blocking::KIND,
    &in_place::KIND,
    &lifo::KIND,
    &self_waker::KIND,
    &leak::KIND,
    &mutex_held::KIND,
    &slow_consumer::KIND,
    &lost_waker::KIND,
    &storm::KIND,
    &panic::KIND,
];

/// A running workload, which starts its instances.
pub(super) trait Workload: Send {
    /// Starts one instance without waiting.
    fn start(&mut self, number: usize) -> Instance;
}

/// An instance of a workload.
pub(super) enum Instance {
    /// Ends with this task.
    Task(AbortHandle),
    /// A client in another process.
    Customer(customers::Customer),
}

impl Instance {
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Instance::Task(task) => task.is_finished(),
            Instance::Customer(customer) => customer.has_ended(),
        }
    }

    /// Stops the instance; a task ends at its next await.
    pub(super) fn stop(self) {
        match self {
            Instance::Task(task) => task.abort(),
            Instance::Customer(customer) => customer.stop(),
        }
    }
}

impl From<AbortHandle> for Instance {
    fn from(task: AbortHandle) -> Self {
        Instance::Task(task)
    }
}
