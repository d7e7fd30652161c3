//! Data loss.

use std::sync::Arc;

/// The data that is known to be missing from the statistics of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Losses {
    /// Events that the target has dropped because its buffer was full.
    pub dropped_events: u64,
    /// Tasks with statistics but without a name: the target did not send their metadata.
    pub unnamed_tasks: u64,
    /// Tasks that are referenced, but were not sent.
    pub unknown_tasks: u64,
    /// The target produces more events than it processes, so its updates arrive late.
    pub behind: bool,
    /// Tasks, resources and async operations that were left out because of a limit of asynctop.
    pub over_limit: u64,
    /// Texts that were truncated because of a limit of asynctop.
    pub truncated_texts: u64,
    /// Updates, and parts of updates, that could not be decoded.
    pub unreadable_updates: u64,
    /// Another client has paused the target, which stops its updates to all clients.
    pub paused: bool,
    /// The reason if the target is connected and has reported nothing; `None` if it has reported
    /// something.
    pub nothing_reported: Option<Arc<str>>,
    /// Other reasons why tasks or long polls are missing, each as a sentence without a period.
    pub reasons: Vec<Arc<str>>,
}

impl Losses {
    /// Whether tasks or long polls may be missing.
    pub fn is_incomplete(&self) -> bool {
        self.behind
            || self.dropped_events > 0
            || self.unnamed_tasks > 0
            || self.unknown_tasks > 0
            || self.over_limit > 0
            || self.unreadable_updates > 0
            || self.nothing_reported.is_some()
            || !self.reasons.is_empty()
    }

    /// The missing data as text, one item per kind.
    pub fn descriptions(&self) -> Vec<String> {
        let count = |n: u64, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let flag = |is_set: bool, text: &str| is_set.then(|| text.to_owned());
        let descriptions = [
            flag(self.paused, "paused by another client"),
            flag(self.behind, "its events arrive late, so this is not its current state"),
            count(
                self.dropped_events,
                "event dropped by the target",
                "events dropped by the target",
            ),
            count(
                self.unknown_tasks,
                "task referenced but not sent",
                "tasks referenced but not sent",
            ),
            count(self.unnamed_tasks, "task without a name", "tasks without a name"),
            count(
                self.unreadable_updates,
                "unreadable part of an update",
                "unreadable parts of updates",
            ),
            count(
                self.over_limit,
                "item over the limits of asynctop",
                "items over the limits of asynctop",
            ),
            count(self.truncated_texts, "truncated text", "truncated texts"),
        ];
        let reasons = self.nothing_reported.iter().chain(&self.reasons);
        let reasons = reasons.map(|reason| reason.to_string());
        descriptions.into_iter().flatten().chain(reasons).collect()
    }
}
