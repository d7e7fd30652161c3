//! Missing data.

/// The data known to be missing from the statistics of a target: counters and flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Losses {
    /// Events that the target dropped because its buffer was full, so far.
    pub dropped_events: u64,
    /// Tasks that have figures but were never announced, so that they have no name.
    pub unnamed_tasks: u64,
    /// Tasks that something else mentions, and nothing more is known of.
    pub unknown_tasks: u64,
    /// The target has more events than it takes in: what is new shows late.
    pub behind: bool,
    /// Tasks, resources and async operations that were left out because of a limit here.
    pub refused: u64,
    /// Texts that were cut because of a limit here.
    pub cut_texts: u64,
    /// Updates that could not be read.
    pub unread_updates: u64,
    /// Another client has stopped the target's updates for everybody.
    pub paused: bool,
}

impl Losses {
    /// Whether tasks may be missing.
    pub fn is_incomplete(&self) -> bool {
        let Losses {
            dropped_events, unnamed_tasks, unknown_tasks, refused, unread_updates, ..
        } = *self;
        self.behind
            || [dropped_events, unnamed_tasks, unknown_tasks, refused, unread_updates] != [0; 5]
    }

    /// What is missing, each in some words.
    pub fn words(&self) -> Vec<String> {
        let count = |n: u64, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let flag = |is: bool, text: &str| is.then(|| text.to_owned());
        let words = [
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
            count(self.unread_updates, "unreadable update", "unreadable updates"),
            count(
                self.refused,
                "item over the limits of asynctop",
                "items over the limits of asynctop",
            ),
            count(self.cut_texts, "truncated text", "truncated texts"),
        ];
        words.into_iter().flatten().collect()
    }
}
