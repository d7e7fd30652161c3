//! The kinds of workloads, one file each.
//!
//! A new kind is a file here and a line in [`KINDS`]: it describes itself, declares its parameters
//! and the number of its tasks, and starts instances on the runtime under test.

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
mod unawaited;
#[cfg(feature = "web")]
mod web;

use tokio::task::AbortHandle;

pub use customers::crowd;
pub use kind::Kind;
pub(super) use kind::Opening;
pub use param::{Allows, Param, Params, Value};

/// The kinds that a scenario can ask for.
pub static KINDS: &[&Kind] = &[
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

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name).copied()
}

/// Work that can be done by any number of units.
pub(super) trait Workload: Send {
    /// Starts one more unit. Never waits.
    fn start(&mut self, number: usize) -> Unit;
}

/// One of what a workload's count counts.
pub(super) enum Unit {
    /// Ends with this task.
    Task(AbortHandle),
    /// A customer, who is no task of this process.
    Customer(customers::Seat),
}

impl Unit {
    /// Whether it has ended, told to or by itself.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Unit::Task(task) => task.is_finished(),
            Unit::Customer(seat) => seat.is_over(),
        }
    }

    /// Has it end: a task at its next await.
    pub(super) fn end(self) {
        match self {
            Unit::Task(task) => task.abort(),
            Unit::Customer(seat) => seat.end(),
        }
    }
}

impl From<AbortHandle> for Unit {
    fn from(task: AbortHandle) -> Self {
        Unit::Task(task)
    }
}
