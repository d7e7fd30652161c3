//! The table of hog kinds: anti-patterns, and fixes that do the same work without blocking the
//! worker. The command line, the screens and the documents are generated from it.

use std::{str::FromStr, sync::Arc};

use asynctop_snapshot::{Flavor, HogChoice};

/// A way to block a worker, or a fix that does the same work without blocking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HogKind {
    /// Computes without an await, like a loop over too much data.
    Spin,
    /// Sleeps on the worker thread, like any blocking call.
    Block,
    /// Waits for a `std::sync::Mutex` that another thread holds.
    Lock,
    /// Writes to a file and syncs it to disk.
    Io,
    /// Queries a database embedded in the process.
    #[cfg(feature = "web")]
    Db,
    /// Computes, and yields after each slice.
    Yield,
    /// Computes, and yields when Tokio's cooperative budget is used up.
    Budget,
    /// Computes on the blocking pool.
    SpawnBlocking,
    /// Computes on the worker thread, after another thread has taken over the worker.
    BlockInPlace,
    /// Computes on a thread that it starts.
    OwnThread,
}

/// The description of a kind of hog.
#[derive(Debug, PartialEq, Eq)]
pub struct HogInfo {
    /// The name on the command line and on the screen.
    pub name: &'static str,
    /// Whether this is a fix instead of an anti-pattern.
    pub is_fix: bool,
    /// The effect on the runtime, in one sentence.
    pub effect: &'static str,
    /// The fix of an anti-pattern or the cost of a fix, in one sentence.
    pub advice: &'static str,
    /// The unit in which the work is counted; `None` if the hog only waits.
    pub unit: Option<&'static str>,
}

/// The reason why [`HogKind::BlockInPlace`] cannot run on a current-thread runtime.
pub(crate) const NEEDS_MULTI_THREAD: &str = "needs the multi-thread runtime";

/// All kinds, as choices on a runtime of this flavor.
pub(super) fn choices(flavor: Flavor) -> Arc<[HogChoice]> {
    let choice = |kind: &HogKind| HogChoice {
        name: kind.as_str().into(),
        is_fix: kind.info().is_fix,
        unavailable: kind.unavailable(flavor).map(Into::into),
    };
    HogKind::ALL.iter().map(choice).collect()
}

/// The unit of all kinds that compute: milliseconds spent computing.
pub(super) const COMPUTED: Option<&str> = Some("ms computed");

impl HogKind {
    /// All kinds, in the order in which the keys select them.
    pub const ALL: &'static [HogKind] = &[
        HogKind::Spin,
        HogKind::Block,
        HogKind::Lock,
        HogKind::Io,
        #[cfg(feature = "web")]
        HogKind::Db,
        HogKind::Yield,
        HogKind::Budget,
        HogKind::SpawnBlocking,
        HogKind::BlockInPlace,
        HogKind::OwnThread,
    ];

    /// The description of this kind.
    pub const fn info(self) -> &'static HogInfo {
        match self {
            HogKind::Spin => &HogInfo {
                name: "spin",
                is_fix: false,
                effect: "Computes without an await, so its worker polls no other task.",
                advice: "Yield between pieces of the work (yield, budget), or move it off the \
                         worker (spawn-blocking, own-thread).",
                unit: COMPUTED,
            },
            HogKind::Block => &HogInfo {
                name: "block",
                is_fix: false,
                effect: "Sleeps in std::thread::sleep: the worker computes nothing, but polls no \
                       other task.",
                advice: "Await tokio::time::sleep instead; move a call that has to block to \
                         spawn_blocking.",
                unit: None,
            },
            HogKind::Lock => &HogInfo {
                name: "lock",
                is_fix: false,
                effect: "Waits for a std::sync::Mutex that a thread holds during slow work, which \
                       blocks its worker.",
                advice: "Hold such a lock only briefly, or await tokio::sync::Mutex, so that the \
                         worker can poll other tasks.",
                unit: None,
            },
            HogKind::Io => &HogInfo {
                name: "io",
                is_fix: false,
                effect: "Writes 64KiB to a temporary file and waits in fsync until they are on disk, \
                       repeatedly, on the worker.",
                advice: "Use tokio::fs or spawn_blocking: files have no readiness that a runtime \
                         could wait for.",
                unit: Some("writes"),
            },
            #[cfg(feature = "web")]
            HogKind::Db => &HogInfo {
                name: "db",
                is_fix: false,
                effect: "Queries an embedded database for the best of 5,000 users, repeatedly, on \
                       the worker: each query computes and reads without an await.",
                advice: "Run queries in spawn_blocking, or on a thread that owns the database; the \
                         scenario web compares both.",
                unit: Some("queries"),
            },
            HogKind::Yield => &HogInfo {
                name: "yield",
                is_fix: true,
                effect: "Does spin's work in slices of 100µs, with \
                       tokio::task::yield_now().await after each.",
                advice: "Other tasks wait for one slice at most; the hog itself waits for all \
                         other tasks after each slice.",
                unit: COMPUTED,
            },
            HogKind::Budget => &HogInfo {
                name: "budget",
                is_fix: true,
                effect: "Does spin's work in pieces of 10µs, with \
                       tokio::task::coop::consume_budget().await after each; Tokio allows 128 of \
                       them per poll.",
                advice: "A call costs next to nothing, but Tokio counts calls, not time: here a \
                         poll still takes over a millisecond.",
                unit: COMPUTED,
            },
            HogKind::SpawnBlocking => &HogInfo {
                name: "spawn-blocking",
                is_fix: true,
                effect: "Does spin's work in tokio::task::spawn_blocking, on a thread of the \
                       blocking pool, and awaits it: no worker is blocked.",
                advice: "It still uses a core, it cannot be cancelled while it runs, and the pool \
                         has 512 threads by default.",
                unit: COMPUTED,
            },
            HogKind::BlockInPlace => &HogInfo {
                name: "block-in-place",
                is_fix: true,
                effect: "Does spin's work in tokio::task::block_in_place: another thread takes over \
                       the worker and its tasks first.",
                advice: "It requires the multi-thread runtime (on current-thread it panics), and \
                         other futures of the same task are blocked with it.",
                unit: COMPUTED,
            },
            HogKind::OwnThread => &HogInfo {
                name: "own-thread",
                is_fix: true,
                effect: "Does spin's work on a std thread of its own, which replies through a \
                       tokio::sync::oneshot that the task awaits.",
                advice: "Each piece of work starts a thread, and their number is not limited: \
                         suited to long-running work.",
                unit: COMPUTED,
            },
        }
    }

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        self.info().name
    }

    /// The names of all kinds.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|kind| kind.as_str()).collect()
    }

    /// Whether this kind needs another thread that can take over its worker.
    pub const fn needs_multi_thread(self) -> bool {
        matches!(self, HogKind::BlockInPlace)
    }

    /// The reason why this kind cannot run on this flavor of runtime; `None` if it can.
    pub(crate) fn unavailable(self, flavor: Flavor) -> Option<&'static str> {
        let is_missing = self.needs_multi_thread() && flavor == Flavor::CurrentThread;
        is_missing.then_some(NEEDS_MULTI_THREAD)
    }

    pub(crate) fn next(self) -> HogKind {
        let index = Self::ALL.iter().position(|kind| *kind == self).unwrap_or(0);
        Self::ALL[(index + 1) % Self::ALL.len()]
    }
}

impl FromStr for HogKind {
    /// The problem with the name.
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|kind| kind.as_str() == name);
        known.copied().ok_or("unknown kind")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_visits_all_kinds() {
        let mut kind = HogKind::Spin;
        for _ in HogKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            kind = kind.next();
        }
        assert_eq!(kind, HogKind::Spin);
    }

    #[test]
    fn each_kind_has_an_effect_and_an_advice_of_one_sentence() {
        for info in HogKind::ALL.iter().map(|kind| kind.info()) {
            for sentence in [info.effect, info.advice] {
                assert!(sentence.ends_with('.') && !sentence.contains(". "), "{sentence}");
            }
        }
    }
}
