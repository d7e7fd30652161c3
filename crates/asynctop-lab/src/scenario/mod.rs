//! Scenarios: which workloads run together, and the lesson about them.
//!
//! A scenario is a TOML file, built in or the user's own. This module reads such files, with errors
//! that name the line; it starts nothing.

mod builtin;
mod file;
#[cfg(test)]
mod tests;
mod value;

use std::{path::Path, sync::Arc};

use asynctop_snapshot::{
    Flavor, Lesson,
    text::{closest_match, excerpt},
};

pub use builtin::{BUILT_IN, BuiltIn};

use super::{
    Allows, HogOptions, Kind, LabError, Params,
    bounds::{MAX_TASKS, MAX_UNITS},
    mode::Mode,
};
use crate::document::DocumentError;

/// A lab to start: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called on the command line, or its file's name without the ending.
    pub name: String,
    /// What it shows, in one line.
    pub title: String,
    /// What there is to see and to try, and why it happens.
    pub lesson: Lesson,
    /// How the runtime schedules.
    pub flavor: Flavor,
    /// Workers of a multi-thread runtime; `None` is one for each core, at least 2.
    pub workers: Option<usize>,
    /// The most threads of the blocking pool; `None` is Tokio's own limit.
    pub max_blocking_threads: Option<usize>,
    /// What runs.
    pub workloads: Vec<WorkloadSpec>,
    /// The hog that waits for its key.
    pub hog: HogOptions,
}

/// One workload of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// What it does.
    pub kind: &'static Kind,
    /// What it is called; unique in its scenario.
    pub name: Arc<str>,
    /// How many of it run.
    pub count: usize,
    /// What was set of it.
    pub params: Params,
}

impl WorkloadSpec {
    /// `count` of this kind, under the kind's own name and as it is unless set.
    pub fn new(kind: &'static Kind, count: usize) -> Self {
        WorkloadSpec { kind, name: kind.name.into(), count, params: Params::default() }
    }

    /// The prefix of its tasks' names: its own name, if it is not the kind's.
    pub(crate) fn task_prefix(&self) -> Option<Arc<str>> {
        (*self.name != *self.kind.name).then(|| Arc::clone(&self.name))
    }

    /// The mode that it starts in; `None` if its kind has no modes.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.kind.params.iter().find_map(|param| match param.allows {
            Allows::Mode(words) => Mode::new(words, self.params.word(param)),
            _ => None,
        })
    }

    /// How many tasks it needs at most for this count.
    pub(crate) fn tasks(&self, count: usize) -> usize {
        (self.kind.tasks)(count, &self.params)
    }
}

impl Scenario {
    /// The scenario that is built in under this name, or that is in this file: whatever
    /// has a `/` in it, ends with `.toml` or exists, and is no built-in name.
    ///
    /// # Errors
    /// If there is neither, or the file is not as it should be.
    pub fn load(name_or_path: &str) -> Result<Scenario, LabError> {
        let path = Path::new(name_or_path);
        let file = name_or_path.contains('/') || name_or_path.ends_with(".toml") || path.exists();
        match find(name_or_path) {
            Err(LabError::UnknownScenario { .. }) if file => Ok(file::load(path)?),
            found => found,
        }
    }

    /// Reads the text of a scenario's file. `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    ///
    /// ```
    /// use asynctop_lab::Scenario;
    ///
    /// let scenario = Scenario::parse("beats", "beats.toml", "[[workload]]\nkind = 'heartbeats'").unwrap();
    /// assert_eq!((&*scenario.workloads[0].name, scenario.workloads[0].count), ("heartbeats", 1));
    ///
    /// let error = Scenario::parse("beats", "beats.toml", "[[workload]]\nkind = 'hartbeats'").unwrap_err();
    /// assert!(error.to_string().starts_with("beats.toml:2: workload.kind: "));
    /// ```
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Scenario, DocumentError> {
        file::parse(name, file, text)
    }

    pub(crate) fn check(&self) -> Result<(), LabError> {
        let mut tasks = 0usize;
        for spec in &self.workloads {
            if spec.count > MAX_UNITS {
                let workload = spec.name.as_ref().into();
                return Err(LabError::TooManyUnits { workload, asked: spec.count });
            }
            tasks = tasks.saturating_add(spec.tasks(spec.count));
        }
        if tasks > MAX_TASKS {
            return Err(LabError::TooManyTasks { scenario: self.name.clone(), asked: tasks });
        }
        Ok(())
    }
}

/// The built-in scenario of this name.
///
/// # Errors
/// [`LabError::UnknownScenario`] names the known ones and the closest match.
///
/// ```
/// assert_eq!(asynctop_lab::find("mixed").unwrap().name, "mixed");
/// let error = asynctop_lab::find("mixd").unwrap_err().to_string();
/// assert!(error.contains("did you mean `mixed`?"), "{error}");
/// ```
pub fn find(name: &str) -> Result<Scenario, LabError> {
    Ok(builtin(name)?.scenario()?)
}

/// The built-in scenario of this name, as its file has it.
///
/// # Errors
/// As [`find`].
pub fn builtin(name: &str) -> Result<&'static BuiltIn, LabError> {
    BUILT_IN.iter().find(|known| known.name == name).ok_or_else(|| {
        let known: Vec<&str> = BUILT_IN.iter().map(|known| known.name).collect();
        LabError::UnknownScenario {
            name: excerpt(name),
            closest_match: closest_match(name, known.iter().copied()).map(str::to_owned),
            known,
        }
    })
}
