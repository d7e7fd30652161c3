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

use asynctop_snapshot::{Flavor, Lesson};

pub use builtin::{BUILT_IN_SCENARIOS, BuiltInScenario};

use super::{
    HogOptions, LabError, ParamType, Params, WorkloadKind,
    bounds::{MAX_INSTANCES, MAX_TASKS},
    mode::Mode,
};
use crate::document::DocumentError;

/// The description of a lab: plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The name of a built-in scenario, or the file name without its extension.
    pub name: String,
    /// One line about the purpose of the scenario.
    pub title: String,
    /// The lesson: an effect to watch, an experiment to try, and the explanation.
    pub lesson: Lesson,
    /// The flavor of the runtime.
    pub flavor: Flavor,
    /// Worker threads of a multi-thread runtime; `None` is one per core, at least 2.
    pub workers: Option<usize>,
    /// Maximum number of threads of the blocking pool; `None` is Tokio's default.
    pub max_blocking_threads: Option<usize>,
    /// The workloads, in the order of the file.
    pub workloads: Vec<WorkloadSpec>,
    /// The hog that [`LabCommand::ToggleHog`](super::LabCommand::ToggleHog) starts.
    pub hog: HogOptions,
}

/// One workload of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadSpec {
    /// The kind of work.
    pub kind: &'static WorkloadKind,
    /// Unique in its scenario; the name of the kind by default.
    pub name: Arc<str>,
    /// The initial number of instances.
    pub count: usize,
    /// The parameters that the scenario sets; others have their defaults.
    pub params: Params,
}

impl WorkloadSpec {
    /// `count` instances of this kind with default parameters, named after the kind.
    pub fn new(kind: &'static WorkloadKind, count: usize) -> Self {
        WorkloadSpec { kind, name: kind.name.into(), count, params: Params::default() }
    }

    /// The prefix of task names: the name of the workload, unless it is that of the kind.
    pub(crate) fn task_prefix(&self) -> Option<Arc<str>> {
        (*self.name != *self.kind.name).then(|| Arc::clone(&self.name))
    }

    /// The initial mode; `None` if the kind has no modes.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.kind.params.iter().find_map(|param| match param.param_type {
            ParamType::Mode(words) => Mode::new(words, self.params.word(param)),
            _ => None,
        })
    }

    /// The maximum number of tasks of `count` instances.
    pub(crate) fn max_tasks(&self, count: usize) -> usize {
        (self.kind.max_tasks)(count, &self.params)
    }
}

impl Scenario {
    /// Loads a built-in scenario by name, or a scenario from a file. An argument that is not the
    /// name of a built-in scenario is a path if it contains `/`, ends with `.toml` or exists.
    ///
    /// # Errors
    /// If there is neither a scenario nor a file of this name, or the file is invalid.
    pub fn load(name_or_path: &str) -> Result<Scenario, LabError> {
        let path = Path::new(name_or_path);
        let is_path =
            name_or_path.contains('/') || name_or_path.ends_with(".toml") || path.exists();
        match Scenario::built_in(name_or_path) {
            Err(LabError::UnknownScenario { .. }) if is_path => Ok(file::load(path)?),
            result => result,
        }
    }

    /// The built-in scenario of this name.
    ///
    /// # Errors
    /// [`LabError::UnknownScenario`] names the known ones and the closest match.
    ///
    /// ```
    /// use asynctop_lab::Scenario;
    ///
    /// assert_eq!(Scenario::built_in("mixed").unwrap().name, "mixed");
    /// let error = Scenario::built_in("mixd").unwrap_err().to_string();
    /// assert!(error.contains("did you mean `mixed`?"), "{error}");
    /// ```
    pub fn built_in(name: &str) -> Result<Scenario, LabError> {
        Ok(BuiltInScenario::find(name)?.scenario()?)
    }

    /// Parses the text of a scenario file. Error messages call it `file`.
    ///
    /// # Errors
    /// The first problem in the text, with its line.
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
            if spec.count > MAX_INSTANCES {
                let workload = spec.name.as_ref().into();
                return Err(LabError::TooManyInstances { workload, requested: spec.count });
            }
            tasks = tasks.saturating_add(spec.max_tasks(spec.count));
        }
        if tasks > MAX_TASKS {
            return Err(LabError::TooManyTasks { scenario: self.name.clone(), requested: tasks });
        }
        Ok(())
    }
}
