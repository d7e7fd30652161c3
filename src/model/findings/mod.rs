//! What is wrong, in plain sentences with the numbers.
//!
//! One rule, one file, pure: it sees a snapshot, the rates that the model took, and where it
//! must a small memory of its own, and makes claims. It knows no clock, no screen and no
//! other rule. The life of a finding (raised after it holds, lowered after it is gone, counted,
//! remembered) is the same for all rules and is in `book.rs`.
//!
//! ```text
//! rule.rs        what a rule is: name, meaning, threshold, cure, and what it looks at
//! thresholds.rs  from where on each rule speaks
//! look.rs        the moment that rules look at
//! round.rs       one pass over the tasks for all rules
//! census.rs      how many tasks each group has
//! growth.rs      numbers that only grow
//! book.rs        claims -> findings
//! ```

mod book;
mod census;
mod finding;
mod growth;
mod look;
mod round;
mod rule;
mod thresholds;
mod words;

mod blocking_pool;
mod budget_yields;
mod busy_self_waker;
mod large_future;
mod leak;
mod long_poll;
mod lost_waker;
mod never_yielded;
mod queue_growing;
mod spawn_storm;
mod starvation;
mod task_panicked;
mod unbalanced;
mod worker_held;

#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use finding::{Finding, FindingId, Severity, Suspect, Waiter};
pub use rule::{Rule, Unit};
pub use thresholds::Thresholds;

use book::Book;
pub(super) use census::{GroupCount, census};
pub(super) use look::Look;
use rule::Memory;
pub(super) use words::duration;

/// All rules, in the order in which they are told.
pub static RULES: [&Rule; 14] = [
    &worker_held::RULE,
    &long_poll::RULE,
    &never_yielded::RULE,
    &busy_self_waker::RULE,
    &lost_waker::RULE,
    &starvation::RULE,
    &leak::RULE,
    &spawn_storm::RULE,
    &queue_growing::RULE,
    &unbalanced::RULE,
    &blocking_pool::RULE,
    &budget_yields::RULE,
    &task_panicked::RULE,
    &large_future::RULE,
];

/// The findings of a source: those of now, and those that are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub thresholds: Arc<Thresholds>,
    memory: Memory,
    book: Book,
}

impl Findings {
    pub(super) fn new(thresholds: Arc<Thresholds>) -> Self {
        Findings { thresholds, ..Findings::default() }
    }

    /// Takes in a moment.
    pub(super) fn advance(&mut self, look: &Look<'_>) {
        let claims = round::claims(look, &mut self.memory);
        self.book.enter(look.snapshot.taken_ns, &self.thresholds, claims);
    }

    /// What is wrong now, worst first.
    pub(super) fn active(&self) -> &[Arc<Finding>] {
        let all = self.book.all();
        &all[..all.partition_point(|finding| finding.active)]
    }

    /// The same, then what is over, latest first.
    pub(super) fn all(&self) -> &[Arc<Finding>] {
        self.book.all()
    }
}
