//! What happened between two snapshots.

use std::sync::Arc;

use super::WorkerFigures;

/// What happened to a task since the snapshot before.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskRates {
    /// Polls for each second.
    pub polls: f64,
    /// Wakes for each second.
    pub wakes: f64,
    /// Share of the time spent in polls, 0 to 1.
    pub busy: f64,
    /// Share of the time spent waiting for a worker, 0 to 1.
    pub scheduled: f64,
    /// The task was not in the snapshot before.
    pub new: bool,
}

/// A worker and what happened to it since the snapshot before.
#[derive(Clone, Debug)]
pub struct WorkerRow {
    /// Its totals.
    pub figures: WorkerFigures,
    /// The name of the task that it polls right now, and for how long it has, in ns.
    pub current: Option<(Arc<str>, u64)>,
    /// Share of the time that it was busy, 0 to 1: inside a poll, or not parked, whichever
    /// of the two counts says more. Tokio's own count stands still during a poll.
    pub busy: f64,
    /// Polls for each second.
    pub polls: f64,
    /// Parks for each second, where Tokio counts them.
    pub parks: Option<f64>,
    /// Steals for each second, where Tokio counts them.
    pub steals: Option<f64>,
    /// Busy shares of the last snapshots, oldest first, at most [`WorkerRow::HISTORY`].
    pub history: Vec<f64>,
}

impl WorkerRow {
    /// How many busy shares a row remembers: a minute at four snapshots a second.
    pub const HISTORY: usize = 240;
}
