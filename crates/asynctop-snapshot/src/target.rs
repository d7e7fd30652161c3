//! The programs that are watched from outside, and how well each of them is known.

use std::{ops::Range, sync::Arc};

use crate::text::duration;

/// A program that is watched over a connection. A source in this process has none.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TargetFigures {
    /// What people call it: its address without what is the same for all.
    pub name: Arc<str>,
    /// How the connection to it stands.
    pub connection: Connection,
    /// Counts the processes that answered at this address: their tasks do not mix.
    pub process: u64,
    /// The keys that its tasks may have; no other target's lie between them.
    pub keys: Range<u64>,
    /// Up to when its counts are known, on the snapshot's clock. Rates are taken between
    /// two such moments.
    pub known_until_ns: u64,
    /// Its living tasks.
    pub tasks: u64,
    /// What is known to be missing from the picture of it.
    pub losses: Losses,
}

/// How the connection to a target stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Connection {
    /// The first connection is on its way.
    Connecting,
    /// Updates come.
    Connected,
    /// Connected, but no update has come for longer than there should be between two.
    Stale {
        /// Since when, on the snapshot's clock.
        since_ns: u64,
    },
    /// Not connected; what is shown is the last that was known.
    Lost {
        /// Since when, on the snapshot's clock; `None` if it never was connected.
        since_ns: Option<u64>,
        /// Why, in some words.
        reason: Arc<str>,
        /// How long it is until the next attempt; 0 while one is on its way.
        retry_in_ns: u64,
    },
}

impl Connection {
    /// The word for it in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Connection::Connecting => "connecting",
            Connection::Connected => "connected",
            Connection::Stale { .. } => "stale",
            Connection::Lost { .. } => "lost",
        }
    }

    /// Whether what is shown is of now.
    pub fn is_live(&self) -> bool {
        *self == Connection::Connected
    }
}

impl TargetFigures {
    /// How the connection stands, in some words.
    pub fn status(&self, taken_ns: u64) -> String {
        let ago = |since_ns: &u64| duration(taken_ns.saturating_sub(*since_ns));
        match &self.connection {
            Connection::Connecting => "connecting".to_owned(),
            Connection::Connected if self.process > 1 => {
                format!("connected to process {}, restarted", self.process)
            }
            Connection::Connected => "connected".to_owned(),
            Connection::Stale { since_ns } => format!("stale, last update {} ago", ago(since_ns)),
            Connection::Lost { since_ns, reason, retry_in_ns } => {
                let since = match since_ns {
                    Some(since_ns) => format!("disconnected for {}", ago(since_ns)),
                    None => "not connected".to_owned(),
                };
                let retry = match retry_in_ns {
                    0 => "reconnecting".to_owned(),
                    nanos => format!("next attempt in {}", duration(*nanos)),
                };
                format!("{since}: {reason}; {retry}")
            }
        }
    }
}

/// What is known to be missing from the picture of a target.
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
