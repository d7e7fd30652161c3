//! Errors of starting or configuring a lab.

use std::{io, sync::Arc, time::Duration};

use asynctop_snapshot::text::did_you_mean;

use crate::{
    bounds::{MAX_HOGS, MAX_TASKS, MAX_UNITS, MAX_WORKERS},
    document::DocumentError,
};

/// Why there is no lab. Each message says what was tried, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// No scenario has this name.
    #[error("there is no scenario `{name}`{}; the scenarios are: {}", did_you_mean(.closest_match.as_deref()), .known.join(", "))]
    UnknownScenario {
        /// The name that was asked for.
        name: String,
        /// The known name that was probably meant.
        closest_match: Option<String>,
        /// All known names.
        known: Vec<&'static str>,
    },
    /// A scenario's file is not as it should be.
    #[error(transparent)]
    File(#[from] DocumentError),
    /// A runtime needs a worker.
    #[error("a runtime with 0 workers runs nothing; ask for 1 to {MAX_WORKERS} workers")]
    NoWorkers,
    /// More workers than make sense.
    #[error("{0} workers are too many; ask for 1 to {MAX_WORKERS} workers")]
    TooManyWorkers(usize),
    /// One workload wants too much.
    #[error(
        "the workload `{workload}` asks for {asked} of its kind, but {MAX_UNITS} is the most; \
         ask for fewer"
    )]
    TooManyUnits {
        /// The workload's name.
        workload: String,
        /// How many were asked for.
        asked: usize,
    },
    /// All workloads together want too much.
    #[error(
        "the scenario `{scenario}` would spawn {asked} tasks, but {MAX_TASKS} is the most; \
         lower the counts of its workloads"
    )]
    TooManyTasks {
        /// The scenario's name.
        scenario: String,
        /// The tasks that it would spawn.
        asked: usize,
    },
    /// Not `KIND[:COUNT]`.
    #[error(
        "`{given}` is not a hog: {problem}; write KIND or KIND:COUNT, where KIND is one of {}",
        .kinds.join(", ")
    )]
    BadHog {
        /// What was written.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
        /// All kinds of hogs.
        kinds: Vec<&'static str>,
    },
    /// No hog, or too many.
    #[error("cannot start {0} hogs; ask for 1 to {MAX_HOGS} hogs")]
    BadHogCount(usize),
    /// This kind of hog cannot be on this flavour of runtime.
    #[error(
        "{0} needs the multi-thread runtime, where another thread can take over the worker: on \
         current-thread Tokio panics; switch the flavor first (f, or --flavor multi-thread)"
    )]
    NeedsMultiThread(&'static str),
    /// The system refused what a hog needs.
    #[error("cannot start {kind}: {error}; free what it needs, or choose another kind")]
    Hog {
        /// The hog's kind.
        kind: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Not long enough to be a hog.
    #[error("a hold of {0:?} is too short; use 1ms or longer")]
    HoldTooShort(Duration),
    /// The system refused the runtime or its thread.
    #[error(
        "cannot start the runtime under test: {0}; \
         if threads or open files ran out, ask for fewer workers or raise the limit (ulimit)"
    )]
    Runtime(#[source] io::Error),
    /// The system refused what a workload needs.
    #[error("cannot start the workload `{workload}`: {error}; leave it out, or free what it needs")]
    Workload {
        /// The workload's name.
        workload: Arc<str>,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}
