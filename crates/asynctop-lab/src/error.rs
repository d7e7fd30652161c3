//! Errors of starting or configuring a lab.

use std::{io, sync::Arc, time::Duration};

use asynctop_snapshot::text::did_you_mean;

use crate::{
    bounds::{MAX_HOGS, MAX_INSTANCES, MAX_TASKS, MAX_WORKERS},
    document::DocumentError,
};

/// The reason why a lab cannot be started. Each message states the attempt, the cause and a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// No scenario has this name.
    #[error("there is no scenario `{name}`{}; the scenarios are: {}", did_you_mean(.closest_match.as_deref()), .known.join(", "))]
    UnknownScenario {
        /// The requested name.
        name: String,
        /// The known name with the smallest edit distance, if it is small.
        closest_match: Option<String>,
        /// All known names.
        known: Vec<&'static str>,
    },
    /// A scenario file is invalid.
    #[error(transparent)]
    File(#[from] DocumentError),
    /// A runtime needs a worker.
    #[error("a runtime with 0 workers runs nothing; ask for 1 to {MAX_WORKERS} workers")]
    NoWorkers,
    /// The number of workers exceeds the maximum.
    #[error("{0} workers are too many; ask for 1 to {MAX_WORKERS} workers")]
    TooManyWorkers(usize),
    /// The number of instances of a workload exceeds the maximum.
    #[error(
        "the workload `{workload}` asks for {requested} instances, but {MAX_INSTANCES} is the \
         maximum; ask for fewer"
    )]
    TooManyInstances {
        /// The name of the workload.
        workload: String,
        /// The requested number of instances.
        requested: usize,
    },
    /// The number of tasks of all workloads exceeds the maximum.
    #[error(
        "the scenario `{scenario}` would spawn {requested} tasks, but {MAX_TASKS} is the maximum; \
         lower the counts of its workloads"
    )]
    TooManyTasks {
        /// The name of the scenario.
        scenario: String,
        /// The number of tasks that the scenario would spawn.
        requested: usize,
    },
    /// A hog that is not written as `KIND[:COUNT]`.
    #[error(
        "`{given}` is not a hog: {problem}; write KIND or KIND:COUNT, where KIND is one of {}",
        .kinds.join(", ")
    )]
    BadHog {
        /// The text as given.
        given: String,
        /// The reason why it is invalid.
        problem: &'static str,
        /// All kinds of hogs.
        kinds: Vec<&'static str>,
    },
    /// The number of hogs is 0, or exceeds the maximum.
    #[error("cannot start {0} hogs; ask for 1 to {MAX_HOGS} hogs")]
    BadHogCount(usize),
    /// This kind of hog cannot run on a current-thread runtime.
    #[error(
        "{0} needs the multi-thread runtime, where another thread can take over the worker: on \
         current-thread Tokio panics; switch the flavor first (f, or --flavor multi-thread)"
    )]
    NeedsMultiThread(&'static str),
    /// The system refused a resource of a hog.
    #[error("cannot start {kind}: {error}; free what it needs, or choose another kind")]
    Hog {
        /// The kind of the hog.
        kind: &'static str,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The hold time of a hog is below the minimum.
    #[error("a hold time of {0:?} is too short; use 1ms or longer")]
    HoldTooShort(Duration),
    /// The system refused the runtime or one of its threads.
    #[error(
        "cannot start the runtime under test: {0}; \
         if threads or open files ran out, ask for fewer workers or raise the limit (ulimit)"
    )]
    Runtime(#[source] io::Error),
    /// The system refused a resource of a workload.
    #[error("cannot start the workload `{workload}`: {error}; leave it out, or free what it needs")]
    Workload {
        /// The name of the workload.
        workload: Arc<str>,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
}
