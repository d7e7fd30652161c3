//! Moments made by hand, and what a rule finds in them.

use std::sync::Arc;

use super::{Finding, RULES, RuleId, Thresholds};
use crate::{
    model::{Model, testing::snapshot},
    snapshot::{CallKind, Cause, LongPoll, SystemCall, Target},
};

pub(super) const S: u64 = 1_000_000_000;

/// What one rule has found after these moments, of now and over, all other rules off.
pub(super) fn of(rule: &str, moments: impl IntoIterator<Item = Target>) -> Vec<Arc<Finding>> {
    let mut thresholds = Thresholds::default();
    let rule: RuleId = rule.parse().expect("a rule");
    for other in RULES.iter().filter(|other| other.id != rule) {
        thresholds.set(other.id, None);
    }
    let mut model = Model::with_thresholds(thresholds);
    for moment in moments {
        model.advance(&moment.into());
    }
    model.all_findings().to_vec()
}

/// A moment with nothing in it.
pub(super) fn when(taken_ns: u64) -> Target {
    snapshot(taken_ns, [])
}

/// What a watchdog says of a poll that is under way, without a stack.
pub(super) fn evidence(task: u64, began_ns: u64, cause: Cause) -> Arc<LongPoll> {
    Arc::new(LongPoll {
        over: false,
        net_ns: Some(if cause == Cause::NoCpu { 5_000_000 } else { S }),
        cause,
        ..LongPoll::computing(task, began_ns, S)
    })
}

/// The cause of a poll that waits for a lock.
pub(super) fn lock() -> Cause {
    Cause::Call(SystemCall { number: 202, name: Some("futex".into()), kind: CallKind::Lock })
}
