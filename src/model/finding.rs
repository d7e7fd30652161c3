//! What is wrong, in plain sentences with the numbers.

use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs something.
    Warning,
    /// Others stand still because of it.
    Critical,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule that found it, as `--fail-on` names it: `worker-held`, `task-panicked`, ….
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The task that is to blame.
    pub task: Option<u64>,
    /// A plain sentence with the numbers.
    pub sentence: String,
    /// Where in the program.
    pub location: Option<Arc<str>>,
    /// What to do about it.
    pub cure: &'static str,
}
