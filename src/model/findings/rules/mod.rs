//! The rules, one per file. A rule depends on the files of `findings`, not on another rule.
//!
//! To add a rule:
//! 1. Write `rules/NAME.rs` with `pub(super) static RULE: Rule`, its check and its tests: one in
//!    which it fires and one for each similar situation in which it must not. `Check` has three
//!    kinds: one task at a time, the snapshot as a whole, or the snapshot with own state.
//! 2. Add `mod NAME;` and a line in `register!` below. The command line, the configuration, the
//!    screens and the reports read the table of rules.
//! 3. Add the two rows to docs/rules.md that the test in `thresholds.rs` prints, and accept the
//!    configuration template.

mod blocking_pool;
mod budget_yields;
mod busy_self_waker;
mod deadlock;
mod large_future;
mod leak;
mod lock_contention;
mod long_poll;
mod lost_waker;
mod machine_overloaded;
mod never_yielded;
mod process_stopped;
mod queue_growing;
mod spawn_storm;
mod starvation;
mod task_panicked;
mod unbalanced;
mod worker_held;
mod worker_saturated;

use std::{fmt, str::FromStr};

use super::rule::Rule;
use crate::text::{edit_distance, excerpt};

pub(in crate::model) use worker_held::of_long_poll;

macro_rules! register {
    ($($id:ident: $file:ident,)*) => {
        /// Identifies a rule. Its text form is the rule's name: `worker-held`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RuleId {
            $(#[doc = concat!("The rule in `", stringify!($file), ".rs`.")] $id,)*
        }

        /// All rules, in the order in which they are listed.
        pub static RULES: [&Rule; [$(RuleId::$id),*].len()] = [$(&$file::RULE),*];
    };
}

register! {
    WorkerHeld: worker_held,
    WorkerSaturated: worker_saturated,
    LongPoll: long_poll,
    NeverYielded: never_yielded,
    BusySelfWaker: busy_self_waker,
    LostWaker: lost_waker,
    Deadlock: deadlock,
    LockContention: lock_contention,
    Starvation: starvation,
    Leak: leak,
    SpawnStorm: spawn_storm,
    QueueGrowing: queue_growing,
    Unbalanced: unbalanced,
    BlockingPoolExhausted: blocking_pool,
    BudgetYields: budget_yields,
    TaskPanicked: task_panicked,
    LargeFuture: large_future,
    MachineOverloaded: machine_overloaded,
    ProcessStopped: process_stopped,
}

impl RuleId {
    /// The rule.
    pub fn rule(self) -> &'static Rule {
        RULES[self as usize]
    }

    /// The rule's name on the command line and in reports.
    pub fn as_str(self) -> &'static str {
        self.rule().name
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuleId {
    type Err = String;

    /// Parses the name of a rule; the error suggests the closest match.
    fn from_str(name: &str) -> Result<Self, String> {
        let found = RULES.iter().find(|rule| rule.name == name);
        found.map(|rule| rule.id).ok_or_else(|| {
            // A rule that begins with the given name is a closer match than any other.
            let distance =
                |rule: &&&Rule| (!rule.name.starts_with(name), edit_distance(name, rule.name));
            let is_close = |rule: &&Rule| {
                !name.is_empty() && rule.name.starts_with(name)
                    || edit_distance(name, rule.name) <= rule.name.len() / 2
            };
            let closest = RULES.iter().copied().min_by_key(|rule| distance(&rule));
            let advice = match closest.filter(is_close) {
                Some(rule) => format!("did you mean `{}`?", rule.name),
                None => format!("the rules are {}", RULES.map(|rule| rule.name).join(", ")),
            };
            format!("there is no rule `{}`; {advice}", excerpt(name))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_registered_under_its_own_id_and_name() {
        for (at, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.id as usize, at, "{}", rule.name);
            assert_eq!(rule.name.parse(), Ok(rule.id));
            assert_eq!(rule.id.to_string(), rule.name);
        }
    }

    #[test]
    fn error_for_an_unknown_name_suggests_the_closest_match() {
        let error = |name: &str| name.parse::<RuleId>().expect_err("no such rule");
        let worker_held = "there is no rule `worker-hold`; did you mean `worker-held`?";
        assert_eq!(error("worker-hold"), worker_held);
        assert!(error("blocking-pool").ends_with("did you mean `blocking-pool-exhausted`?"));
        assert!(error("nope").contains("the rules are worker-held, worker-saturated, "));
    }
}
